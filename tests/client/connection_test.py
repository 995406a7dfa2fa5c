"""Connections with TLS and tokens, through real sockets and certificates."""

import contextlib
import itertools
import socket
import ssl
import threading
import time
import types

import grpc
import numpy as np
import pytest

from tsd_tf.client.connection import UnknownSignatureError
from tsd_tf.client.credentials import Credentials
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.client.retries import Retries
from tsd_tf.client.server_address import ServerAddress
from tsd_tf.contract.errors import UserError

_REQUEST = ("coded", {"packets": np.array([[b"\0" * 2000]], object)})
_KINDS = {"grpc": GrpcConnection, "rest": RestConnection}
_SCHEMES = {("grpc", True): "grpcs", ("grpc", False): "grpc", ("rest", True): "https", ("rest", False): "http"}
_RETRIES = Retries(2, first_pause=0.01)
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

    def sleep(seconds):
        raise AssertionError(f"it wants to ask again in {seconds} s")

    monkeypatch.setattr("tsd_tf.client.retries.time", types.SimpleNamespace(sleep=sleep))


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
    with pytest.raises(UserError, match=r"no server at .* \(asked 3 times\): "):
        ask(server, protocol, True, Credentials(authority.ca), retries=Retries(3, first_pause=0.01))


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


# servers that are busy


@both
def test_a_busy_server_is_asked_when_it_says(protocol, start_server, ask, refusal):
    times = []

    def answer(authorization):
        times.append(time.monotonic())
        if len(times) < 3:
            raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "too many clips", "0.2")

    server = start_server(protocol, answer)
    assert ask(server, protocol, False, retries=Retries(3, 1000.0, 1000.0)).classes == ("one", "zero")
    assert all(after - before >= 0.2 for before, after in itertools.pairwise(times))


@both
@pytest.mark.parametrize(
    ("retry_after", "attempts", "message"),
    [
        ("0", 2, r": too many clips \(asked 2 times\)$"),
        ("11", 1, ": too many clips; it asks to come back in 11 s$"),
        ("nan", 1, ": too many clips; "),
        ("-1", 1, ": too many clips; "),
        ("soon", 1, ": too many clips$"),
        (None, 1, ": too many clips$"),
    ],
)
def test_a_busy_server_that_stays_so(protocol, retry_after, attempts, message, start_server, ask, refusal):
    asked = []

    def answer(authorization):
        asked.append(authorization)
        raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "too many clips", retry_after)

    with pytest.raises(UserError, match="refused the request: (RESOURCE_EXHAUSTED|HTTP 429)" + message):
        ask(start_server(protocol, answer), protocol, False)
    assert len(asked) == attempts


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


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff", b"[]", b"{}", b'{"outputs": {"probabilities": [], "classes": []}}'], ids=str
)
def test_a_server_of_something_else(body):
    """Whatever listens on that port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve():
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as request:
                length = next(int(line.split()[1]) for line in request if line.lower().startswith(b"content-length"))
                while request.readline().strip():
                    pass
                request.read(length)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UserError, match="its answer is no JSON|something else than probabilities and classes"):
            RestConnection(url, retries=_RETRIES).classify(*_REQUEST)
        thread.join()


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


def test_a_handshake_that_takes_its_time(start_server, authority, ask):
    """As by radio: what goes to the server comes there half a second late."""
    server = start_server("grpc", certificate=authority.certificate("server"))
    with socket.create_server(("127.0.0.1", 0)) as late:

        def pass_on(source, target, pause):
            with contextlib.suppress(OSError):
                while content := source.recv(1 << 16):
                    time.sleep(pause)
                    target.sendall(content)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    ours, _ = late.accept()
                    theirs = socket.create_connection(("127.0.0.1", server.port))
                    threading.Thread(target=pass_on, args=(ours, theirs, 0.5), daemon=True).start()
                    threading.Thread(target=pass_on, args=(theirs, ours, 0.0), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        slow = types.SimpleNamespace(port=late.getsockname()[1])
        answer = ask(slow, "grpc", True, Credentials(authority.ca), retries=Retries(1))
        assert answer.classes == ("one", "zero")
