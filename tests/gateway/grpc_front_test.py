"""What hostile and clumsy clients do by gRPC, through real sockets, while others are answered."""

import contextlib
import socket
import threading

import grpc
import numpy as np
import pytest

from tsd_tf.contract import messages
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.limits import Limits

_LIMITS = Limits(max_message_bytes=1_000_000, header_seconds=1.0, body_seconds=1.0, max_concurrent_requests=8)


@pytest.fixture(scope="module")
def gateway(small_server, wire):
    with BackgroundGateway(wire.backend(small_server), limits=_LIMITS) as running:
        yield running


def _good(gateway, wire, clips):
    for signature, inputs in (("", {"frames": clips}), ("coded", wire.coded(clips))):
        response = wire.stub(gateway).Predict(wire.request(signature, **inputs), timeout=30)
        assert [row[0] for row in wire.outputs(response)["classes"]] == [b"3", b"0", b"2"]


def test_messages_that_are_too_large(gateway, wire, clips):
    request = wire.request(frames=np.zeros(100_000_000, "uint8"))
    assert wire.code_of(wire.stub(gateway).Predict, request)[0] == "RESOURCE_EXHAUSTED"
    _good(gateway, wire, clips)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_messages_that_inflate(gateway, wire, clips, compression):
    request = wire.request(frames=np.zeros(100_000_000, "uint8"))
    with grpc.insecure_channel(gateway.address, [("grpc.max_send_message_length", -1)], compression) as channel:
        predict = channel.unary_unary(messages.PREDICT)
        assert wire.code_of(predict, request.SerializeToString())[0] == "RESOURCE_EXHAUSTED"
        response = predict(wire.request(frames=clips).SerializeToString(), timeout=30)
        assert messages.PredictResponse.FromString(response).outputs
    _good(gateway, wire, clips)


def test_calls_whose_message_does_not_come(gateway, wire, clips):
    """More of them than there may be calls: each ends in time, and makes room for others."""
    over = threading.Event()

    def nothing():
        over.wait(60)
        yield b""

    with grpc.insecure_channel(gateway.address) as channel:
        predict = channel.stream_unary(messages.PREDICT)
        calls = [predict.future(nothing(), timeout=60) for _ in range(8)]
        assert {call.code().name for call in calls} == {"DEADLINE_EXCEEDED"}
        assert {call.details() for call in calls} == {"the request did not arrive within 1 s"}
        over.set()
    _good(gateway, wire, clips)


def test_connections_that_do_not_begin(gateway, wire, clips):
    host, port = gateway.address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = []
        for index in range(60):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            connection.sendall((b"", preface[:10], preface)[index % 3])
            connections.append(connection)
        _good(gateway, wire, clips)
        for connection in connections:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1000):
                    pass


def test_values_that_are_no_tensors(gateway, wire, clips):
    """What our own reader of tensors makes of shapes that fit nothing."""
    good = messages.PredictRequest.FromString(wire.request("coded", **wire.coded(clips[:1])).SerializeToString())
    with grpc.insecure_channel(gateway.address) as channel:
        predict = channel.unary_unary(messages.PREDICT)
        for name in ("packets", "codec", "order"):
            for sizes in ((2**62, 2**62), (0, 2**62), (7,), (-1, -1), (1,) * 64, (1,) * 40, ()):
                request = messages.PredictRequest.FromString(good.SerializeToString())
                del request.inputs[name].tensor_shape.dim[:]
                for size in sizes:
                    request.inputs[name].tensor_shape.dim.add(size=size)
                assert wire.code_of(predict, request.SerializeToString())[0] == "INVALID_ARGUMENT", (name, sizes)
    _good(gateway, wire, clips)
