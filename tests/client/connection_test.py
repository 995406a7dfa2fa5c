"""Connections with TLS and tokens, through real sockets and certificates."""

import contextlib
import itertools
import queue
import select
import socket
import ssl
import threading
import time
import types

import grpc
import numpy as np
import pytest

from tsd_tf.client import proxies
from tsd_tf.client.credentials import Credentials
from tsd_tf.client.errors import ServerAwayError, UnansweredError, UnknownSignatureError
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.client.retries import Retries
from tsd_tf.client.server_address import ServerAddress
from tsd_tf.contract.errors import UserError

_REQUEST = ("coded", {"packets": np.array([[b"\0" * 2000]], object)})
_KINDS = {"grpc": GrpcConnection, "rest": RestConnection}
_SCHEMES = {("grpc", True): "grpcs", ("grpc", False): "grpc", ("rest", True): "https", ("rest", False): "http"}
_RETRIES = Retries(0.5, first_pause=0.01)
_PATIENT = Retries(60, first_pause=0.01)
both = pytest.mark.parametrize("protocol", ["grpc", "rest"])


@pytest.fixture
def ask():
    """Asks once; (server of conftest, protocol, with TLS, Credentials) -> Answer."""
    opened = []

    def ask(server, protocol, encrypted, credentials=None, host="localhost", retries=_RETRIES):
        address = f"{_SCHEMES[protocol, encrypted]}://{host}:{server.port}"
        connection = _KINDS[protocol](address, retries=retries, credentials=credentials)
        opened.append(connection)
        return connection.classify(*_REQUEST)

    yield ask
    for connection in opened:
        connection.close()


@pytest.fixture
def once(monkeypatch):
    """Who is told the reason must not ask again."""

    def pause(self, number, retry_after=None):
        raise AssertionError(f"it wants to ask again after {number} attempts")

    monkeypatch.setattr(Retries, "pause", pause)


@both
def test_an_encrypted_answer(protocol, start_server, authority, ask):
    server = start_server(protocol, certificate=authority.certificate("server"))
    for host in ("localhost", "127.0.0.1"):
        answer = ask(server, protocol, True, Credentials(authority.ca), host)
        np.testing.assert_array_equal(answer.probabilities, np.float32([0.25, 0.75]))
        assert answer.classes == ("one", "zero")
        assert answer.version == (7 if protocol == "grpc" else None)


@both
def test_the_systems_authorities_are_the_default(protocol, start_server, authority, ask, monkeypatch):
    server = start_server(protocol, certificate=authority.certificate("server"))
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
    assert ask(server, protocol, True).classes == ("one", "zero")


@both
@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        ({"days": -1}, "its certificate has expired$"),
        ({"hosts": ["cloud.example"]}, "its certificate is for another host: .*not valid for 'localhost'$"),
    ],
)
def test_certificates_that_are_not_good(protocol, certificate, message, start_server, authority, ask, once):
    server = start_server(protocol, certificate=authority.certificate("bad", **certificate))
    with pytest.raises(UserError, match=rf"^no connection to \w+://localhost:{server.port}: {message}"):
        ask(server, protocol, True, Credentials(authority.ca))


@both
def test_an_authority_that_is_unknown(protocol, start_server, authority, another_authority, ask, once):
    server = start_server(protocol, certificate=authority.certificate("server"))
    for credentials in (Credentials(another_authority.ca), None):
        with pytest.raises(UserError, match="an authority unknown here, or signed by itself; `ca` names its auth"):
            ask(server, protocol, True, credentials)


@both
def test_a_certificate_signed_by_itself(protocol, start_server, authority, ask, once):
    certificate, _ = pair = authority.certificate("itself", by_itself=True)
    server = start_server(protocol, certificate=pair)
    with pytest.raises(UserError, match="an authority unknown here, or signed by itself; `ca` names its auth"):
        ask(server, protocol, True, Credentials(authority.ca))
    assert ask(server, protocol, True, Credentials(certificate)).classes == ("one", "zero")


@both
def test_tls_on_one_side_alone(protocol, start_server, authority, ask, once):
    with pytest.raises(UserError, match="^no connection to .*: it does not speak TLS$"):
        ask(start_server(protocol), protocol, True, Credentials(authority.ca))
    server = start_server(protocol, certificate=authority.certificate("server"))
    with pytest.raises(UserError, match="it speaks TLS, and `server` asks without: grpcs:// or https://$"):
        ask(server, protocol, False)


@both
def test_a_server_that_wants_certificates(protocol, start_server, authority, another_authority, ask):
    server = start_server(protocol, certificate=authority.certificate("server"), client_ca=authority.ca)
    mine, foreign = authority.certificate("client"), another_authority.certificate("client")
    assert ask(server, protocol, True, Credentials(authority.ca, *mine)).classes == ("one", "zero")
    # gRPC's server sends no alert.
    wants = "it wants to see a certificate of the client that it believes: `cert` and `key`"
    with pytest.raises(UserError, match=wants):
        ask(server, protocol, True, Credentials(authority.ca))
    with pytest.raises(
        UserError, match=wants if protocol == "grpc" else "it refuses the client's certificate, `cert`: "
    ):
        ask(server, protocol, True, Credentials(authority.ca, *foreign))


@both
def test_a_server_with_tls_that_is_away(protocol, start_server, authority, ask):
    """Not TLS is the reason, and it is asked again."""
    server = start_server(protocol)
    server.stop()
    server.stop = lambda: None
    with pytest.raises(ServerAwayError, match=r"no server at .* \(asked \d+ times in [\d.]+ s\): "):
        ask(server, protocol, True, Credentials(authority.ca))


# tokens


def _wants(token, refusal):
    def answer(authorization):
        if authorization != f"Bearer {token}":
            # As a careless server would: the message repeats what came.
            raise refusal(grpc.StatusCode.UNAUTHENTICATED, 401, f"bad authorization {authorization}")

    return answer


@both
def test_tokens(protocol, start_server, authority, ask, refusal, tmp_path):
    server = start_server(protocol, _wants("secret-1", refusal), authority.certificate("server"))
    (tmp_path / "token").write_text("secret-1  \nand what it is for\n")
    good = Credentials.read(authority.ca, token_file=str(tmp_path / "token"))
    assert ask(server, protocol, True, good).classes == ("one", "zero")
    assert "secret-1" not in repr(good)
    with pytest.raises(UserError, match="UNAUTHENTICATED|HTTP 401.*") as raised:
        ask(server, protocol, True, Credentials(authority.ca, token="secret-2"))
    assert "the token in `token_file` is wrong, or no longer valid" in str(raised.value)
    assert "bad authorization Bearer ..." in str(raised.value)
    assert "secret" not in str(raised.value)
    with pytest.raises(UserError, match="it wants a token: `token_file` names the file that holds it"):
        ask(server, protocol, True, Credentials(authority.ca))


@both
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "grpc_proxy"])
def test_tokens_stay_on_this_machine_without_encryption(protocol, variable, start_server, ask, refusal, monkeypatch):
    """Past any proxy, which could read them."""
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    server = start_server(protocol, _wants("secret-1", refusal))
    assert ask(server, protocol, False, Credentials(token="secret-1"), "127.0.0.1").classes == ("one", "zero")
    kind, scheme = _KINDS[protocol], _SCHEMES[protocol, False]
    for host in ("192.0.2.1", "cloud.example", "localhost.example"):
        with pytest.raises(
            UserError, match="the token of `token_file` is not sent unencrypted to another mach"
        ) as error:
            kind(f"{scheme}://{host}:8500", credentials=Credentials(token="secret-1"))
        assert "secret" not in str(error.value)


def test_a_redirection_does_not_take_the_token_along(start_server, authority, ask, refusal):
    seen = []
    other = start_server("rest", seen.append)

    def answer(authorization):
        raise refusal(None, 307, f"http://127.0.0.1:{other.port}/")

    server = start_server("rest", answer, authority.certificate("server"))
    with pytest.raises(UserError, match="refused the request: HTTP 307"):
        ask(server, "rest", True, Credentials(authority.ca, token="secret-1"))
    assert seen == []


# servers that are busy, or away

_BUSY = [
    (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    (grpc.StatusCode.UNAVAILABLE, 503),
    (grpc.StatusCode.CANCELLED, 499),
    (grpc.StatusCode.UNAVAILABLE, 502),
    (grpc.StatusCode.UNAVAILABLE, 504),
]


@both
@pytest.mark.parametrize(("code", "status"), _BUSY)
def test_it_is_asked_again(protocol, code, status, start_server, ask, refusal):
    asked = []

    def answer(authorization):
        asked.append(authorization)
        if len(asked) < 4:
            raise refusal(code, status, "not now")

    assert ask(start_server(protocol, answer), protocol, False, retries=_PATIENT).classes == ("one", "zero")
    assert len(asked) == 4


@both
@pytest.mark.parametrize(("code", "status"), _BUSY[:2])
def test_a_busy_server_is_asked_when_it_says(protocol, code, status, start_server, ask, refusal):
    times = []

    def answer(authorization):
        times.append(time.monotonic())
        if len(times) < 3:
            raise refusal(code, status, "too many clips", "0.2")

    assert ask(start_server(protocol, answer), protocol, False, retries=_PATIENT).classes == ("one", "zero")
    assert all(after - before >= 0.2 for before, after in itertools.pairwise(times))


@both
@pytest.mark.parametrize(("code", "status"), _BUSY)
def test_one_that_stays_so_is_given_up(protocol, code, status, start_server, ask, refusal):
    def answer(authorization):
        raise refusal(code, status, "not now")

    is_away = code == grpc.StatusCode.UNAVAILABLE
    words = "^no server at .*not now" if is_away else r"refused the request: .*not now \(asked \d+ times in"
    with pytest.raises(UnansweredError, match=words) as raised:
        ask(start_server(protocol, answer), protocol, False)
    assert isinstance(raised.value, ServerAwayError) == is_away


@both
def test_a_busy_server_that_asks_for_too_long(protocol, start_server, ask, refusal, once):
    def answer(authorization):
        raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "no clip more today", "40000")

    with pytest.raises(UnansweredError, match="no clip more today; it asks to come back in 40000 s, and `retry_for`"):
        ask(start_server(protocol, answer), protocol, False)


@both
@pytest.mark.parametrize(
    ("code", "status", "costs_all"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400, False),
        (grpc.StatusCode.INTERNAL, 500, False),
        (grpc.StatusCode.UNKNOWN, 413, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 413, False),
        (grpc.StatusCode.PERMISSION_DENIED, 403, True),
        (grpc.StatusCode.NOT_FOUND, 404, True),
        (grpc.StatusCode.UNIMPLEMENTED, 501, True),
    ],
)
def test_refusals_are_not_repeated(protocol, code, status, costs_all, start_server, ask, refusal, once):
    """Those of one clip are told from those of all."""

    def answer(authorization):
        raise refusal(code, status, "larger than \x1b[2Jthis")

    with pytest.raises(UserError, match=r"refused the request: \w+( \d+)?: larger than \\x1b\[2Jthis$") as raised:
        ask(start_server(protocol, answer), protocol, False)
    assert isinstance(raised.value, UnansweredError) != costs_all


@both
def test_a_server_without_the_signature(protocol, start_server, ask, refusal):
    """TensorFlow Serving's own words."""
    text = 'Serving signature key "coded" not found.'
    if protocol == "rest":
        text = 'Serving signature name: "coded" not found in signature def'

    def answer(authorization):
        raise refusal(grpc.StatusCode.FAILED_PRECONDITION, 400, text)

    with pytest.raises(UnknownSignatureError):
        ask(start_server(protocol, answer), protocol, False)


# what does not get as far as a socket


def test_addresses_that_are_none():
    for server in (
        "",
        "host",
        "grpc://host",
        "grpcs://host",
        "ftp://host:21",
        "host:port",
        "http://",
        "host:8500/path",
    ):
        with pytest.raises(UserError, match=r"`server` must be host:port, grpc://host:port, .* Received: server="):
            GrpcConnection(server)
    with pytest.raises(UserError, match="`server` must be"):
        RestConnection("https://user:password@host/")
    with pytest.raises(UserError, match="`server` of a RestConnection must begin with http:// or https://"):
        RestConnection("host:8500")
    with pytest.raises(UserError, match="`server` of a GrpcConnection must begin with grpc:// or grpcs://"):
        GrpcConnection("https://host")


def test_addresses():
    for server, scheme, host_and_port, is_loopback in (
        ("host:8500", "grpc", "host:8500", False),
        ("[::1]:8500", "grpc", "[::1]:8500", True),
        ("grpcs://127.1.2.3:1", "grpcs", "127.1.2.3:1", True),
        ("https://localhost/models/", "https", "localhost:443", True),
        ("http://10.0.0.1", "http", "10.0.0.1:80", False),
        ("unix:/run/tsd/grpc.sock", "grpc", "unix:/run/tsd/grpc.sock", True),
    ):
        address = ServerAddress.parse(server)
        assert (address.scheme, address.host_and_port, address.is_loopback) == (scheme, host_and_port, is_loopback)
        assert address.is_encrypted == (scheme in ("grpcs", "https"))


def test_files_that_are_none(authority, tmp_path):
    cert, key = authority.certificate("client")
    _, another_key = authority.certificate("another")
    (tmp_path / "text").write_text("no certificate")
    text = str(tmp_path / "text")
    for arguments, message in (
        ({"cert": cert}, "`cert` and `key` belong together: name both or neither"),
        ({"key": key}, "`cert` and `key` belong together"),
        ({"ca": text}, "expected certificates in PEM in the file `ca`. Received: ca="),
        ({"cert": text, "key": key}, "expected a certificate in PEM in the file `cert`, and its key"),
        ({"cert": cert, "key": another_key}, "expected a certificate in PEM in the file `cert`, and its key"),
        ({"token_file": text}, "expected a token in the first line of `token_file`, printable ASCII without spaces"),
        ({"token_file": "/dev/null"}, "expected a token in the first line of `token_file`"),
    ):
        with pytest.raises(UserError, match=message) as raised:
            Credentials.read(**arguments)
        assert "no certificate" not in str(raised.value)
    with pytest.raises(FileNotFoundError):
        Credentials.read(ca=str(tmp_path / "missing"))
    with pytest.raises(UserError, match="`ca`, `cert` and `key` are for a `server` with TLS"):
        GrpcConnection("localhost:8500", credentials=Credentials(authority.ca))


def test_python_checks_what_it_should(authority):
    context = Credentials(authority.ca).ssl_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


# slow lines, and those that are none


def _late(server, seconds, once_connected=0.0):
    """A line to a server that delays every byte: so many seconds each way, and the connection itself for another."""
    late = socket.create_server(("127.0.0.1", 0))

    def pass_on(source, target):
        # What is under way does not hold up what comes after it.
        coming = queue.Queue()

        def deliver():
            with contextlib.suppress(OSError):
                while True:
                    due, content = coming.get()
                    time.sleep(max(0.0, due - time.monotonic()))
                    if not content:
                        target.shutdown(socket.SHUT_WR)
                        return
                    target.sendall(content)

        threading.Thread(target=deliver, daemon=True).start()
        with contextlib.suppress(OSError):
            while content := source.recv(1 << 16):
                coming.put((time.monotonic() + seconds, content))
        coming.put((time.monotonic() + seconds, b""))

    def connect(ours):
        time.sleep(once_connected)
        theirs = socket.create_connection(("127.0.0.1", server.port))
        for pair in ((ours, theirs), (theirs, ours)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=connect, args=(late.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return types.SimpleNamespace(port=late.getsockname()[1])


@both
@pytest.mark.parametrize("encrypted", [True, False])
def test_a_line_by_radio(protocol, encrypted, start_server, authority, ask):
    """600 ms there and back, at the first attempt."""
    certificate = authority.certificate("server") if encrypted else None
    slow = _late(start_server(protocol, certificate=certificate), 0.3, once_connected=0.6)
    credentials = Credentials(authority.ca) if encrypted else None
    assert ask(slow, protocol, encrypted, credentials, retries=Retries(0)).classes == ("one", "zero")


def _timed_out(kind, scheme, port):
    connection = kind(f"{scheme}://127.0.0.1:{port}", timeout=0.5, retries=Retries(0))
    began = time.monotonic()
    with pytest.raises(UnansweredError, match="did not answer within 0.5 s; a larger `timeout` allows more$"):
        connection.classify(*_REQUEST)
    connection.close()
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 503 Away\r\n\r\n", b" "),
    ],
    ids=str,
)
def test_the_whole_answer_of_rest_has_to_come_in_time(head, drop, raw_server):
    """A byte now and then would otherwise be waited for all day; the connection does not stay either."""
    ended = threading.Event()

    def drip(connection):
        with contextlib.suppress(OSError):
            connection.sendall(head)
            while not ended.is_set():
                time.sleep(0.05)
                connection.sendall(drop)
                if not drop and select.select([connection], [], [], 0)[0] and not connection.recv(1 << 16):
                    break
        ended.set()

    assert _timed_out(RestConnection, "http", raw_server(drip)) < 5
    assert ended.wait(10)


def test_the_whole_answer_of_grpc_has_to_come_in_time(start_server, raw_server):
    hanging = threading.Event()
    server = start_server("grpc", lambda authorization: hanging.wait(20))
    assert _timed_out(GrpcConnection, "grpc", server.port) < 5
    hanging.set()

    def stall(connection):  # after the settings, in the middle of the headers of an answer
        with contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(bytes.fromhex("000000040000000000") + bytes.fromhex("00000a010400000001"))
            connection.recv(1 << 16)
            time.sleep(20)

    assert _timed_out(GrpcConnection, "grpc", raw_server(stall)) < 5


@both
def test_closing_gives_up_what_is_under_way(protocol, raw_server):
    port = raw_server(lambda connection: time.sleep(20))
    connection = _KINDS[protocol](f"{_SCHEMES[protocol, False]}://127.0.0.1:{port}")
    threading.Timer(0.3, connection.close).start()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(UnansweredError, match="was not waited for any longer$"):
            connection.classify(*_REQUEST)
    assert time.monotonic() - began < 5


def test_a_connection_that_breaks_is_asked_again(raw_server):
    """In the middle of an answer, as of a server that is killed."""
    pieces = [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"outp']

    def answer(connection):
        if not connection.recv(1 << 16).startswith(b"POST"):  # it looks whether TLS is the reason
            return
        body = b'{"outputs": {"probabilities": [[0.25, 0.75]], "classes": [["one", "zero"]]}}'
        connection.sendall(pieces.pop() if pieces else b"HTTP/1.1 200 OK\r\n\r\n" + body)

    connection = RestConnection(f"http://127.0.0.1:{raw_server(answer)}", retries=_PATIENT)
    assert connection.classify(*_REQUEST).classes == ("one", "zero")
    assert (pieces, connection.num_retries) == ([], 2)


# proxies


@pytest.mark.parametrize(
    ("protocol", "variable", "scheme"),
    [
        ("rest", "http_proxy", "http"),
        ("rest", "HTTP_PROXY", "http"),
        ("rest", "https_proxy", "https"),
        ("grpc", "grpc_proxy", "grpc"),
        ("grpc", "http_proxy", "grpc"),
    ],
)
def test_a_proxy_that_is_in_the_way_is_named(protocol, variable, scheme, raw_server, monkeypatch):
    def refuse(connection):
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot there")

    port = raw_server(refuse)
    monkeypatch.setenv(variable, f"http://user:secret@127.0.0.1:{port}")
    connection = _KINDS[protocol](f"{scheme}://cloud.example:8500", retries=Retries(0))
    with pytest.raises(UserError) as raised:
        connection.classify(*_REQUEST)
    connection.close()
    hint = f"asked through the proxy 127.0.0.1:{port} that {variable} names: no_proxy=cloud.example goes past it"
    assert hint in str(raised.value)
    assert "secret" not in str(raised.value)
    monkeypatch.setenv("no_proxy", "elsewhere, .example")
    assert proxies.hint(ServerAddress.parse(f"{scheme}://cloud.example:8500")) == ""


def test_a_proxy_that_is_not_in_the_way_is_not_named(start_server, ask, refusal, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    def answer(authorization):
        raise refusal(None, 403, "no")

    with pytest.raises(UserError) as raised:
        ask(start_server("rest", answer), "rest", False, host="127.0.0.1")
    assert "proxy" not in str(raised.value)


def test_a_request_through_a_proxy_stays_encrypted_when_it_is_sent_again(raw_server, monkeypatch):
    """urllib's requests are changed by their way through a proxy, and would go out in the clear the third time."""
    beginnings = []

    def break_off(connection):
        assert connection.recv(1 << 16).startswith(b"CONNECT cloud.example:443 ")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        beginnings.append(connection.recv(1 << 16)[:1])

    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{raw_server(break_off)}")
    connection = RestConnection("https://cloud.example", retries=_RETRIES, credentials=Credentials(token="secret"))
    with pytest.raises(ServerAwayError):
        connection.classify(*_REQUEST)
    assert len(beginnings) > 2
    assert set(beginnings) == {b"\x16"}  # TLS
