"""What strangers do to the embedded server and to the gateway, through real sockets, while others are answered."""

import base64
import contextlib
import http.client
import json
import re
import time

import grpc
import numpy as np
import pytest

from benchmarks import strangers
from tsd_tf.contract import messages
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.limits import Limits
from tsd_tf.serving.limits import Limits as ServerLimits
from tsd_tf.serving.server import BackgroundServer
from tsd_tf.video import picture_files

pytestmark = pytest.mark.slow

_PATH = "/v1/models/tsd:predict"
_MEGABYTE = 1 << 20
_BOUNDS = {
    "max_message_bytes": 2 * _MEGABYTE,
    "max_request_bytes": 4 * _MEGABYTE,
    "max_json_values": 20_000,
    "max_concurrent_requests": 4,
    "max_connections": 12,
    "max_connections_per_address": 8,
    "header_seconds": 2.0,
    "body_seconds": 3.0,
    "idle_seconds": 3.0,
    "connection_seconds": 3600.0,
}


@pytest.fixture(params=["server", "gateway"])
def front(request, small_model, small_server, wire):
    """A function: the embedded server, or a gateway before one, with tight bounds and those that are given."""
    with contextlib.ExitStack() as stack:

        def start(**bounds):
            bounds = {**_BOUNDS, **bounds}
            if request.param == "server":
                return stack.enter_context(BackgroundServer(small_model, limits=ServerLimits(**bounds)))
            return stack.enter_context(BackgroundGateway(wire.backend(small_server), limits=Limits(**bounds)))

        yield start


class _Client:
    """A good client on connections of its own, which ask and are answered all the time."""

    def __init__(self, front, clips, wire):
        host = front.url.removeprefix("http://")
        self._http, self._stub, self._wire = http.client.HTTPConnection(host, timeout=30), wire.stub(front), wire
        self._body, self._request = json.dumps({"inputs": clips[:1].tolist()}), wire.request(frames=clips)
        self.ask()

    def ask(self):
        self._http.request("POST", _PATH, self._body)
        answer = self._http.getresponse()
        assert answer.status == 200, answer.read()
        assert json.loads(answer.read())["outputs"]["classes"][0][0] == "3"
        response = self._stub.Predict(self._request, timeout=30)
        assert [row[0] for row in self._wire.outputs(response)["classes"]] == [b"3", b"0", b"2"]

    def close(self):
        self._http.close()


@pytest.fixture
def good(clips, wire):
    """A function: a good client of a front."""
    with contextlib.ExitStack() as stack:
        yield lambda front: stack.enter_context(contextlib.closing(_Client(front, clips, wire)))


def _metrics(front, wire):
    """{name with its labels: value}, without what comes before the names of ours."""
    url = getattr(front, "admin_url", None)
    page = wire.http(f"{url}/metrics" if url else f"{front.url}/monitoring/prometheus/metrics")[1].decode()
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {re.sub("^tsd_(gateway|serving)_", "", name): float(value) for name, value in lines}


def _ended(values, protocol):
    """How many connections were ended for a bound."""
    name = f'connections_ended_total{{protocol="{protocol}"'
    return sum(value for key, value in values.items() if key.startswith(name))


def _until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _answer(connection):
    """The status of what HTTP says, and all of it; (None, b"") if the connection ends without a word."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in content or b"}" not in content:
            part = connection.recv(65536)
            if not part:
                break
            content += part
    return (int(content.split(b" ")[1]) if content else None), content


def test_names_are_not_kept(front, wire, clips):
    front = front()
    stub = wire.stub(front)
    for index in range(3):
        name = f"mine{index}"
        assert wire.code_of(stub.Predict, wire.request(name=name, frames=clips))[0] == "NOT_FOUND"
        assert wire.code_of(stub.Predict, wire.request(name, frames=clips))[0] == "FAILED_PRECONDITION"
        name += "x" * _MEGABYTE
        for request in (wire.request(name=name, frames=clips), wire.request(name, frames=clips)):
            code, text = wire.code_of(stub.Predict, request)
            assert (code, "a name of 1048581 bytes" in text) == ("INVALID_ARGUMENT", True)
        status, text, _ = wire.http(f"{front.url}/v1/models/mine{index}{'x' * 5000}:predict", b"{}")
        assert (status, len(text) < 1200) == (404, True)
    url = getattr(front, "admin_url", None)
    page = wire.http(f"{url}/metrics" if url else f"{front.url}/monitoring/prometheus/metrics")[1].decode()
    assert "mine" not in page
    if not url:
        assert ':tensorflow:serving:request_count{model_name="other",status="NOT_FOUND"} 6.0' in page


def test_bodies_and_messages_in_part(front, good, wire):
    """Many more than there may be requests, from the good client's own address."""
    front = front(max_connections=40, max_connections_per_address=40)
    client = good(front)
    with contextlib.ExitStack() as stack:
        half = []
        for _ in range(12):
            half.append(stack.enter_context(strangers.connect(front.url)))
            half[-1].sendall(strangers.http_head(_PATH, b"Content-Length: 1000") + b"{")
            call = stack.enter_context(contextlib.closing(strangers.HalfCall(front.address)))
            call.send(call.begin(), 10, of=1000)
            client.ask()
        good(front).ask()  # who comes newly, too
        answers = [_answer(connection) for connection in half]
        assert {status for status, _ in answers} <= {408, 429}
        assert any(b"more than 4 requests arrive at the same time" in text for _, text in answers)
    _until(lambda: _metrics(front, wire)["requests_arriving"] == 0)
    values = _metrics(front, wire)
    assert values["requests_under_way"] == 0
    _until(lambda: _metrics(front, wire)["request_bytes"] == 0)


def test_calls_in_part_on_one_connection(front, good, wire):
    front = front()
    client = good(front)
    with contextlib.closing(strangers.HalfCall(front.address)) as call:
        for _ in range(20):
            call.begin()
        client.ask()
        _until(lambda: _metrics(front, wire)["requests_arriving"] <= 4)
    client.ask()


def test_heads_in_part(front, good):
    front = front()
    client = good(front)
    beginnings = (b"", b"P", strangers.http_head(_PATH)[:-2], strangers.http_head(_PATH, b"X: " + b"y" * 100)[:-60])
    with contextlib.ExitStack() as stack:
        half = [stack.enter_context(strangers.connect(front.url)) for _ in range(8)]
        for index, connection in enumerate(half):
            connection.sendall(beginnings[index % len(beginnings)])
        client.ask()
        assert {_answer(connection) for connection in half} == {(None, b"")}
    client.ask()


def test_a_head_without_end(front, good):
    front = front()
    client = good(front)
    with strangers.connect(front.url) as connection, contextlib.suppress(ConnectionError):
        for _ in range(1000):
            connection.sendall(b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 10)
            time.sleep(0.001)
        pytest.fail("it was never closed")
    client.ask()


def test_idle_connections(front, good, wire):
    """More than there may be, to both ports: newcomers find a place, and who is answered keeps it."""
    front = front(header_seconds=30.0, idle_seconds=30.0)
    client = good(front)
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            for _ in range(10):
                for address in (front.url, front.address):
                    stack.enter_context(strangers.connect(address, f"127.0.0.{2 + len(stack._exit_callbacks) % 2}"))
            client.ask()
            good(front).ask()
        for protocol, least in (("http", 40 - 12), ("grpc", 1)):  # gRPC itself ends some, and counts none
            _until(lambda protocol=protocol, least=least: _ended(_metrics(front, wire), protocol) >= least)
        _until(lambda: _metrics(front, wire)["grpc_connections"] <= _BOUNDS["max_connections"])
        assert _metrics(front, wire)["http_connections"] <= _BOUNDS["max_connections"]
        client.ask()
    _until(lambda: _metrics(front, wire)["grpc_connections"] <= 5)


def test_one_address_takes_no_place_from_another(front, good, wire):
    front = front(max_connections=100, header_seconds=30.0)
    with contextlib.ExitStack() as stack:
        ours = [strangers.connect(address) for address in (front.url, front.address)]
        for connection in ours:
            stack.enter_context(connection)
        _until(lambda: _metrics(front, wire)["grpc_connections"] == 1)
        for _ in range(20):
            for address in (front.url, front.address):
                stack.enter_context(strangers.connect(address, "127.0.0.2"))
        _until(lambda: _metrics(front, wire)["grpc_connections"] <= 1 + _BOUNDS["max_connections_per_address"])
        for connection in ours:
            connection.settimeout(0.1)
            with contextlib.suppress(TimeoutError):  # gRPC says something at once
                assert connection.recv(1000)
        for protocol in ("http", "grpc"):
            ended = f'connections_ended_total{{protocol="{protocol}",reason="address"}}'
            _until(lambda ended=ended: _metrics(front, wire).get(ended, 0) >= 12)


def test_idle_connections_end_in_time(front):
    front = front(idle_seconds=1.0)
    with strangers.connect(front.url) as connection:
        connection.sendall(b"GET /v1/models/tsd HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _answer(connection)[0] == 200
        assert connection.recv(1000) == b""
    call = strangers.HalfCall(front.address)
    assert not call.is_open(10)


def test_a_connection_that_is_old_ends_after_its_answer(front):
    front = front(connection_seconds=0.5)
    with strangers.connect(front.url) as connection:
        for wait in (0, 1):
            time.sleep(wait)
            connection.sendall(b"GET /v1/models/tsd HTTP/1.1\r\nHost: x\r\n\r\n")
            status, content = _answer(connection)
            assert (status, b"Connection: close" in content) == (200, bool(wait))
        assert connection.recv(1000) == b""


def test_answers_that_nobody_reads(front, good, wire):
    front = front(body_seconds=1.0)
    client = good(front)
    with strangers.connect(front.url, window=4096) as connection:
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                connection.sendall(b"GET /v1/models/tsd/metadata HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        client.ask()
        reader = {'connections_ended_total{protocol="http",reason="reader"}'}
        _until(lambda: reader <= set(_metrics(front, wire)))


def test_bytes_of_all_requests(front, good, wire):
    """Half-sent bodies and messages of nearly the largest size: the oldest give way, and are told when to come back."""
    front = front(max_connections=40, max_connections_per_address=40, max_concurrent_requests=40, body_seconds=20.0)
    client = good(front)
    with contextlib.ExitStack() as stack:
        half, seen = [], []
        for _ in range(5):
            half.append(stack.enter_context(strangers.connect(front.url)))
            half[-1].sendall(strangers.http_head(_PATH, b"Content-Length: 2000000") + b" " * 1_500_000)
            time.sleep(0.2)
            seen.append(_metrics(front, wire)["request_bytes"])
            client.ask()
        assert max(seen) > 2_900_000
        assert max(seen) <= _BOUNDS["max_request_bytes"]
        status, text = _answer(half[0])
        assert (status, b"Retry-After: 1\r\n" in text) == (503, True)
        assert b"hold more than 4194304 bytes" in text
        seen.clear()
        for _ in range(5):
            call = stack.enter_context(contextlib.closing(strangers.HalfCall(front.address)))
            assert call.send(call.begin(), 1_500_000, of=2_000_000) > 1_400_000
            time.sleep(0.5)
            seen.append(_metrics(front, wire)["request_bytes"])
            client.ask()
        assert max(seen) > 2_900_000
        assert max(seen) <= _BOUNDS["max_request_bytes"]
        values = _metrics(front, wire)
        refused = sum(value for name, value in values.items() if 'refusals_total{reason="memory"' in name)
        assert refused >= 4
    _until(lambda: _metrics(front, wire)["request_bytes"] == 0)


def test_values_of_a_body(front, good, wire):
    """Refused while it arrives: neither read to its end nor parsed."""
    front = front()
    client = good(front)
    for value in (b"[]", b"{}", b"1", b'"\\n"'):
        with strangers.connect(front.url) as connection:
            body = strangers.json_body(value, 500_000)
            connection.sendall(strangers.http_head(_PATH, b"Content-Length: 1900000") + body[:-2])
            status, text = _answer(connection)
            assert (status, b"more than the 20000 values" in text) == (413, True)
        client.ask()


def test_parts_of_a_message(front, good, wire):
    """A megabyte of names of inputs, which protobuf takes a second and a hundred megabytes for."""
    front = front()
    client = good(front)
    with grpc.insecure_channel(front.address) as channel:
        code, text = wire.code_of(channel.unary_unary(messages.PREDICT), strangers.many_inputs(_MEGABYTE))
    assert (code, "too many fields" in text) == ("INVALID_ARGUMENT", True)
    client.ask()


def _gateway(wire, server, **bounds):
    return BackgroundGateway(wire.backend(server), limits=Limits(**{**_BOUNDS, **bounds}))


def test_pictures_that_are_bombs_are_not_passed_on(small_server, wire):
    """By both protocols, also where the signature's name is written so that it is not to be seen."""
    bombs = [strangers.png(16, 64 << 20), strangers.png(16, 64 << 20, b"zTXt", b"a\0\0")]
    honest = strangers.png(16, 16 * (1 + 3 * 16))
    with _gateway(wire, small_server) as gateway:
        predict = wire.stub(gateway).Predict
        for bomb in bombs:
            clip = [honest] * 3 + [bomb]
            code, text = wire.code_of(predict, wire.request("jpeg", frames_bytes=np.array([clip], object)))
            assert (code, text) == ("INVALID_ARGUMENT", "a PNG picture holds more than its size explains")
            body = {"signature_name": "jpeg", "inputs": [[{"b64": base64.b64encode(one).decode()} for one in clip]]}
            for written in (json.dumps(body), json.dumps(body).replace('"jpeg"', '"\\u006apeg"')):
                status, text, _ = wire.http(gateway.url + _PATH, written.encode())
                assert (status, json.loads(text)["error"]) == (400, "a PNG picture holds more than its size explains")
        # The model has no such signature; so far honest ones get.
        request = wire.request("jpeg", frames_bytes=np.array([[honest] * 4], object))
        assert wire.code_of(predict, request) == ("FAILED_PRECONDITION", 'Serving signature key "jpeg" not found.')
        body["inputs"] = [[{"b64": base64.b64encode(honest * 20).decode()}] * 4]
        assert b"not found in signature def" in wire.http(gateway.url + _PATH, body)[1]


def _coded_pictures(clip, codec):
    """A request to the signature `coded` whose packets are pictures."""
    packets = [picture_files.encode(frame, codec) for frame in clip]
    return {
        "packets": np.array([packets], object),
        "codec": np.array([codec.encode()], object),
        "order": np.arange(len(clip), dtype=np.uint8)[None],
    }


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
def test_coded_pictures_that_are_bombs(small_server, wire, clips, codec):
    inputs = _coded_pictures(clips[0], codec)
    picture = inputs["packets"][0, 1]
    if codec == "png":
        bomb, text = strangers.png(16, 64 << 20), "a PNG picture holds more than its size explains"
    elif codec == "jpeg":
        bomb = picture[:-2] + picture[picture.rindex(b"\xff\xda") : -2] * 100 + picture[-2:]
        text = "expected at most 64 scans in a JPEG picture"
    else:
        bomb, text = picture + bytes(_MEGABYTE), "expected at most 133120 bytes in a picture of 16 x 16 pixels"
    with _gateway(wire, small_server) as gateway:
        predict = wire.stub(gateway).Predict
        assert predict(wire.request("coded", **inputs), timeout=30).outputs
        inputs["packets"][0, 1] = bomb
        assert wire.code_of(predict, wire.request("coded", **inputs)) == ("INVALID_ARGUMENT", text)


def test_frames_count_before_they_are_decoded(small_server, wire, clips):
    """A few bytes that become many frames."""
    size = 3 * clips[0].nbytes
    bounds = {"max_message_bytes": 2 * size, "max_request_bytes": 2 * size}
    with _gateway(wire, small_server, **bounds) as gateway:
        predict = wire.stub(gateway).Predict
        assert predict(wire.request("coded", **wire.coded(clips)), timeout=30).outputs
        many = wire.request("coded", **wire.coded(np.concatenate([clips] * 3)))
        assert many.ByteSize() < size
        code, text = wire.code_of(predict, many)
        assert (code, text) == ("RESOURCE_EXHAUSTED", f"the requests at the same time hold more than {2 * size} bytes")
