"""What hostile and clumsy clients do by HTTP, through real sockets, while others are answered."""

import contextlib
import gzip
import json
import socket
import time
import zlib

import pytest

from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.limits import Limits
from tsd_tf.serving.limits import Limits as ServerLimits
from tsd_tf.serving.server import BackgroundServer

pytestmark = pytest.mark.slow

_LIMITS = Limits(
    max_message_bytes=1_000_000, header_seconds=1.0, body_seconds=1.0, idle_seconds=1.0, max_connections=300
)
_PATH = "/v1/models/tsd:predict"


@pytest.fixture(scope="module")
def gateway(small_server, wire):
    with BackgroundGateway(wire.backend(small_server), limits=_LIMITS) as running:
        yield running


def _connect(gateway, head=b""):
    host, port = gateway.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(head)
    return connection


def _head(*lines):
    return b"\r\n".join([f"POST {_PATH} HTTP/1.1".encode(), b"Host: x", *lines, b"", b""])


def _ended(connection):
    """What came before the connection's end."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            content += part
    return content


def _good(gateway, wire, clips):
    body = wire.coded_json(wire.coded(clips[:1]))
    for encoding in ("", "gzip", "deflate"):
        content = json.dumps(body).encode()
        content = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(content)
        status, answer, _ = wire.http(
            gateway.url + _PATH, content, **({"Content_Encoding": encoding} if encoding else {})
        )
        assert (status, json.loads(answer)["outputs"]["classes"][0][0]) == (200, "3")
    response = wire.stub(gateway).Predict(wire.request(frames=clips), timeout=30)
    assert [row[0] for row in wire.outputs(response)["classes"]] == [b"3", b"0", b"2"]


def test_slow_heads(gateway, wire, clips):
    """Two hundred connections whose heads never end; each is closed in time, and others are answered meanwhile."""
    beginnings = (b"", b"P", _head()[:-2], _head(b"X-Slow: " + b"y" * 100)[:-60])
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(_connect(gateway, beginnings[index % len(beginnings)])) for index in range(200)
        ]
        _good(gateway, wire, clips)
        for connection in connections:
            assert _ended(connection) == b""


def test_a_head_that_comes_drop_by_drop(gateway):
    with _connect(gateway) as connection, contextlib.suppress(ConnectionError):
        for _ in range(300):  # thirty seconds
            connection.sendall(b"P")
            time.sleep(0.1)
        pytest.fail("it was never closed")


def test_an_idle_connection_is_closed(gateway):
    with _connect(gateway, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert _ended(connection).endswith(b"ok\n")


def test_more_connections_than_there_may_be(small_server, wire, clips):
    with BackgroundGateway(
        wire.backend(small_server), limits=Limits(max_connections=10, header_seconds=2.0)
    ) as gateway:
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(_connect(gateway)) for _ in range(30)]
            for connection in connections[:20]:  # who came first and said nothing
                assert _ended(connection) == b""
            _good(gateway, wire, clips)
            for connection in connections[20:]:
                assert _ended(connection) == b""
        _good(gateway, wire, clips)


def test_a_body_that_does_not_come(gateway, wire, clips):
    with _connect(gateway, _head(b"Content-Length: 1000") + b"{") as connection:
        assert _ended(connection).startswith(b"HTTP/1.1 408")
    with _connect(gateway, _head(b"Transfer-Encoding: chunked") + b"1\r\n{\r\n") as connection:
        assert _ended(connection).startswith(b"HTTP/1.1 408")
    _good(gateway, wire, clips)


def test_bodies_that_are_too_large(gateway, wire, clips):
    status, answer, _ = wire.http(gateway.url + _PATH, b" " * 1_000_001)
    assert status == 413
    assert json.loads(answer)["error"] == "the body is larger than the 1000000 bytes that this server accepts"
    # A client that does not say how much it sends, and one that says 100 MB and would send them.
    for head, chunk in (
        (b"Transfer-Encoding: chunked", b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
        (b"Content-Length: 100000000", b""),
    ):
        with _connect(gateway, _head(head)) as connection:
            with contextlib.suppress(OSError):
                for _ in range(20):
                    connection.sendall(chunk)
            assert connection.recv(100).startswith(b"HTTP/1.1 413")
    _good(gateway, wire, clips)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_that_inflate(gateway, wire, clips, encoding):
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(100_000_000))
    assert len(bomb) < 200_000
    assert wire.http(gateway.url + _PATH, bomb, Content_Encoding=encoding)[0] == 413
    assert wire.http(gateway.url + _PATH, bomb[:1000], Content_Encoding=encoding)[0] in (400, 413)
    assert wire.http(gateway.url + _PATH, b"no such stream", Content_Encoding=encoding)[0] == 400
    _good(gateway, wire, clips)


def test_what_is_no_http(gateway, wire, clips):
    for content in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ):
        with _connect(gateway, content) as connection:
            assert _ended(connection).startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    _good(gateway, wire, clips)


def test_too_much_at_once(small_model, wire, clips):
    with (
        BackgroundServer(small_model, limits=ServerLimits(batch_timeout=60.0)) as slow,
        BackgroundGateway(wire.backend(slow), limits=Limits(max_concurrent_requests=2)) as gateway,
    ):
        stub = wire.stub(gateway)
        calls = [stub.Predict.future(wire.request(frames=clips), timeout=30) for _ in range(2)]
        end = time.monotonic() + 30
        while b"tsd_gateway_requests_under_way 2.0" not in wire.http(f"{gateway.admin_url}/metrics")[1]:
            assert time.monotonic() < end
        text = "more than 2 requests at the same time"
        status, answer, headers = wire.http(gateway.url + _PATH, {"instances": clips.tolist()})
        assert (status, json.loads(answer), headers["Retry-After"]) == (429, {"error": text}, "1")
        call = stub.Predict.future(wire.request(frames=clips), timeout=30)
        assert (call.code().name, call.details()) == ("RESOURCE_EXHAUSTED", text)
        assert dict(call.trailing_metadata())["retry-after"] == "1"
        for call in calls:
            call.cancel()
