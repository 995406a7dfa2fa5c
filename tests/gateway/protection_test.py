"""TLS and tokens of a running gateway, by gRPC and HTTP, through real sockets."""

import contextlib
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request

import grpc
import pytest

from tsd_tf.contract import messages
from tsd_tf.gateway import tokens
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.certificates import Certificates
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.tokens import Tokens

pytestmark = pytest.mark.slow

_PATH = "/v1/models/tsd:predict"
_LIMITS = Limits(header_seconds=2.0, body_seconds=2.0)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    entries = (
        tokens.TokenEntry("camera-7", tokens.sha256("right")),
        tokens.TokenEntry("visitor", tokens.sha256("seldom"), rate="2/hour"),
        tokens.TokenEntry("modem", tokens.sha256("little"), bytes="100/hour"),
    )
    path.write_text("".join(f"{entry.line()}\n" for entry in entries))
    return path


@pytest.fixture
def gateway(tmp_path, small_server, wire, authority, token_file):
    certificates = Certificates(*authority.write(tmp_path))
    with BackgroundGateway(
        wire.backend(small_server), certificates=certificates, tokens=Tokens(token_file), limits=_LIMITS
    ) as running:
        yield running


class _Client:
    """Asks by both protocols; `grpc` and `rest` return the status by name and number."""

    def __init__(self, gateway, pem, clips, wire, cert=None, key=None):
        self._gateway, self._clips, self._wire = gateway, clips, wire
        self._credentials = grpc.ssl_channel_credentials(pem, key and key.read_bytes(), cert and cert.read_bytes())
        self._context = ssl.create_default_context(cadata=pem.decode())
        if cert:
            self._context.load_cert_chain(cert, key)

    def grpc(self, token=None):
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        request = self._wire.request("coded", **self._wire.coded(self._clips)).SerializeToString()
        with grpc.secure_channel(self._gateway.address, self._credentials) as channel:
            call = channel.unary_unary(messages.PREDICT).future(request, timeout=10, metadata=metadata)
            self.trailer = dict(call.trailing_metadata() or ())
            return call.code().name

    def rest(self, token=None, path=_PATH, body=True):
        body = json.dumps({"instances": self._clips.tolist()}).encode() if body is True else body
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self._gateway.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as response:
                return response.status
        except urllib.error.HTTPError as error:
            self.headers = error.headers
            return error.code


def test_tokens(gateway, authority, wire, clips, token_file):
    client = _Client(gateway, authority.pem, clips, wire)
    assert (client.grpc("right"), client.rest("right")) == ("OK", 200)
    for token in (None, "wrong", ""):
        assert (client.grpc(token), client.rest(token)) == ("UNAUTHENTICATED", 401)
        assert client.headers["WWW-Authenticate"] == "Bearer"
    assert client.rest(path="/healthz", body=None) == 200
    assert client.rest(path="/readyz", body=None) == 200
    lines = token_file.read_text().splitlines(keepends=True)
    token_file.write_text("".join(line for line in lines if not line.startswith("camera-7")))
    while client.rest("right") == 200:  # until the file is looked at again
        pass
    assert (client.grpc("right"), client.rest("right")) == ("UNAUTHENTICATED", 401)


def test_quotas(gateway, authority, wire, clips):
    client = _Client(gateway, authority.pem, clips, wire)
    assert (client.grpc("seldom"), client.rest("seldom")) == ("OK", 200)
    assert (client.grpc("seldom"), client.rest("seldom")) == ("RESOURCE_EXHAUSTED", 429)
    assert 0 < int(client.trailer["retry-after"]) <= 3600
    assert 0 < int(client.headers["Retry-After"]) <= 3600
    assert (client.grpc("little"), client.rest("little")) == ("RESOURCE_EXHAUSTED", 429)  # larger than all of it


def test_a_body_is_not_read_before_who_sends_it_is_known(gateway, authority):
    context = ssl.create_default_context(cadata=authority.pem.decode())
    host, port = gateway.url.removeprefix("https://").split(":")
    for lines, status in (
        ((b"Content-Length: 60000000",), b"401"),
        ((b"Transfer-Encoding: chunked",), b"401"),
        ((b"Authorization: Bearer right", b"Transfer-Encoding: chunked"), b"411"),
        ((b"Authorization: Bearer right", b"Content-Length: 100000000"), b"413"),
    ):
        with (
            socket.create_connection((host, int(port)), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            head = (f"POST {_PATH} HTTP/1.1".encode(), b"Host: x", *lines, b"", b"")
            connection.sendall(b"\r\n".join(head))
            assert connection.recv(1000).split(b" ")[1] == status


def test_a_call_without_a_token_is_refused_before_its_message(gateway, authority):
    with grpc.secure_channel(gateway.address, grpc.ssl_channel_credentials(authority.pem)) as channel:

        def nothing():
            refused.wait(10)
            yield b""

        refused = threading.Event()
        call = channel.stream_unary(messages.PREDICT).future(nothing(), timeout=10)
        assert call.code().name == "UNAUTHENTICATED"  # not DEADLINE_EXCEEDED after body_seconds
        refused.set()


def test_certificates_of_others(gateway, other_authority, wire, clips):
    client = _Client(gateway, other_authority.pem, clips, wire)
    assert client.grpc("right") == "UNAVAILABLE"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        client.rest("right")


def test_plain_text_to_the_ports_of_tls(gateway, authority, wire, clips):
    with grpc.insecure_channel(gateway.address) as channel:
        assert wire.code_of(channel.unary_unary(messages.PREDICT), b"", timeout=5)[0] == "UNAVAILABLE"
    for address in (gateway.address, gateway.url.removeprefix("https://")):
        host, port = address.split(":")
        for content in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b""):  # nothing at all: until header_seconds
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(content)
                with contextlib.suppress(ConnectionResetError):
                    assert b"ok" not in connection.recv(1000)
    assert _Client(gateway, authority.pem, clips, wire).rest("right") == 200


def test_tls_to_the_ports_of_plain_text(small_server, wire, authority, clips):
    with BackgroundGateway(wire.backend(small_server), limits=_LIMITS) as gateway:
        client = _Client(gateway, authority.pem, clips, wire)
        assert client.grpc() == "UNAVAILABLE"
        gateway.url = gateway.url.replace("http:", "https:")
        with pytest.raises(urllib.error.URLError, match="SSL"):
            client.rest()
        assert wire.stub(gateway).Predict(wire.request(frames=clips), timeout=30).outputs


def test_certificates_of_clients(tmp_path, small_server, wire, authority, other_authority, clips):
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    certificates = Certificates(*authority.write(tmp_path), tmp_path / "ca.pem")
    with BackgroundGateway(wire.backend(small_server), certificates=certificates, limits=_LIMITS) as gateway:
        ours = _Client(gateway, authority.pem, clips, wire, *authority.write(tmp_path, "client"))
        assert (ours.grpc(), ours.rest()) == ("OK", 200)
        for client in (
            _Client(gateway, authority.pem, clips, wire),
            _Client(gateway, authority.pem, clips, wire, *other_authority.write(tmp_path, "stranger")),
        ):
            assert client.grpc() == "UNAVAILABLE"
            with pytest.raises((urllib.error.URLError, OSError)):
                client.rest()
        assert (ours.grpc(), ours.rest()) == ("OK", 200)


def test_tls_to_the_backend(tmp_path, small_server, wire, authority, other_authority, clips):
    """A gateway is a backend that speaks TLS."""
    certificates = Certificates(*authority.write(tmp_path))
    with BackgroundGateway(wire.backend(small_server), certificates=certificates) as behind:
        for trusted, status in ((authority, "OK"), (other_authority, "UNAVAILABLE")):
            credentials = grpc.ssl_channel_credentials(trusted.pem)
            with BackgroundGateway(wire.backend(behind), backend_credentials=credentials) as gateway:
                request = wire.request(frames=clips)
                assert wire.stub(gateway).Predict.future(request, timeout=30).code().name == status
