"""Answers that are none: whatever listens on that port, one line says what it is."""

import json
import re

import grpc
import numpy as np
import pytest

from tsd_tf.client.answer import Answer
from tsd_tf.client.errors import UnansweredError
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.client.retries import Retries
from tsd_tf.contract import messages
from tsd_tf.contract.errors import UserError

_REQUEST = ("coded", {"packets": np.array([[b"\0" * 2000]], object)})


def _is_one_line(text):
    return "\n" not in text and text.isprintable() and len(text) < 1000


def _outputs(probabilities, classes=(("one", "zero"),)):
    return json.dumps({"outputs": {"probabilities": probabilities, "classes": classes}}).encode()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>\n<title>Log in, please</title>", "no JSON: <html> <title>Log in, please</title>"),
        (b"", "an empty body"),
        (b"  \n", "an empty body"),
        (b"\xff\x00\x1b[2J", r"no JSON: .*\\x00\\x1b\[2J"),
        (b"[" * 100_000, r"no JSON: \[\[\["),
        (b"1" * 5000, "no JSON: 111"),
        (b"[1, 2]", r"JSON without these outputs: \[1, 2\]"),
        (b"null", "JSON without these outputs: null"),
        (b'{"predictions": []}', "JSON without these outputs: "),
        (b'{"outputs": [0.5]}', "JSON without these outputs: "),
        (b'{"outputs": {"probabilities": [[0.25, 0.75]]}}', "JSON without these outputs: "),
        (_outputs([]), r"probabilities of type \w+ and shape \(0,\)"),
        (_outputs([[]]), r"probabilities of type \w+ and shape \(1, 0\)"),
        (_outputs([0.25, 0.75]), r"probabilities of type float64 and shape \(2,\)"),
        (_outputs([[0.25, 0.75]] * 2), r"probabilities of type float64 and shape \(2, 2\)"),
        (_outputs([[0.25], [0.5, 0.25]]), "probabilities of rows of different lengths"),
        (_outputs([["a", "b"]]), "probabilities of type <U1"),
        (_outputs([["0.25", "0.75"]]), "probabilities of type <U4"),
        (_outputs([[None, 1]]), "probabilities of type object"),
        (_outputs([[10**400, 1]]), "probabilities of type object"),
        (_outputs({"a": 1}), r"probabilities of type object and shape \(\)"),
        (_outputs([[float("nan"), 1.0]]), "probabilities that add up to nan"),
        (_outputs([[float("inf"), 1.0]]), "probabilities that add up to inf"),
        (_outputs([[1e300, -1e300]]), "probabilities that add up to "),
        (_outputs([[12.5, 3.0]]), "probabilities that add up to 15.5"),
        (_outputs([[2.0, -1.0]]), "probabilities that add up to 1, the least -1"),
        (_outputs([[0.25, 0.75]], []), "classes that are no names"),
        (_outputs([[0.25, 0.75]], [[]]), "classes that are no names"),
        (_outputs([[0.25, 0.75]], [[1, 2]]), "classes that are no names"),
        (_outputs([[0.25, 0.75]], ["one"]), "classes that are no names"),
        (_outputs([[0.25, 0.75]], 7), "classes that are no names"),
        (_outputs([[0.25, 0.75]], [["one", "two", "three"]]), "classes that are no names"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_of_rest(body, what, raw_server):
    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    url = f"http://127.0.0.1:{raw_server(answer)}"
    connection = RestConnection(url, retries=Retries(0))
    with pytest.raises(UnansweredError) as raised:
        connection.classify(*_REQUEST)
    assert re.match(f"{url} answers with something else than probabilities and classes: {what}", str(raised.value))
    assert _is_one_line(str(raised.value))
    assert connection.describe() == connection.describe().__class__()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", "HTTP 302: it redirects to http://login.ex"),
        (b"HTTP/1.1 308 Moved\r\n\r\n", "HTTP 308: it redirects to nowhere$"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>\x1b[2J", r"HTTP 404: <html>\\x1b\[2J$"),
        (b"HTTP/1.1 500 \r\n\r\n{}", "HTTP 500: {}$"),
        (b'HTTP/1.1 400 Bad\r\n\r\n{"error": "no\\nsuch"}', "HTTP 400: no such$"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "HTTP 204: No Content$"),
    ],
)
def test_of_other_statuses(head, what, raw_server):
    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(head)

    with pytest.raises(UserError, match=f"refused the request: {what}") as raised:
        RestConnection(f"http://127.0.0.1:{raw_server(answer)}", retries=Retries(0)).classify(*_REQUEST)
    assert _is_one_line(str(raised.value))


def test_of_something_else_than_http(raw_server):
    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    port = raw_server(answer)
    with pytest.raises(UserError, match="does not speak HTTP; `server` of gRPC is host:port$"):
        RestConnection(f"http://127.0.0.1:{port}").classify(*_REQUEST)
    with pytest.raises(UserError, match="does not speak gRPC; `server` of REST is http://host:port$"):
        GrpcConnection(f"127.0.0.1:{port}").classify(*_REQUEST)


def test_more_than_anyone_wants(raw_server):
    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * (1 << 20))

    with pytest.raises(UnansweredError, match="more than 67108864 bytes$"):
        RestConnection(f"http://127.0.0.1:{raw_server(answer)}", retries=Retries(0)).classify(*_REQUEST)


def _tensor(array, **changes):
    tensor = messages.TensorProto()
    messages.write_tensor(tensor, array)
    for name, value in changes.items():
        if isinstance(value, list):
            tensor.ClearField(name)
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


def _response(probabilities=((0.25, 0.75),), classes=((b"one", b"zero"),)):
    response = messages.PredictResponse()
    if not isinstance(probabilities, messages.TensorProto):
        probabilities = _tensor(np.array(probabilities, np.float32))
    if not isinstance(classes, messages.TensorProto):
        classes = _tensor(np.array(classes, object))
    response.outputs["probabilities"].CopyFrom(probabilities)
    response.outputs["classes"].CopyFrom(classes)
    return response.SerializeToString()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"", "no classes and no probabilities"),
        (b"\xff\xff", "2 bytes that are no PredictResponse"),
        (_response(probabilities=[[0.25, np.nan]]), "probabilities that add up to nan"),
        (_response(probabilities=[0.25, 0.75]), r"probabilities of type float32 and shape \(2,\)"),
        (_response(probabilities=_tensor(np.array([[b"x"]], object))), "probabilities of type object"),
        (_response(probabilities=_tensor(np.float32([[1]]), dtype=999)), "expected a tensor of uint8, float32 or str"),
        (_response(probabilities=_tensor(np.float32([[1]]), tensor_content=b"123")), "buffer size must be a multiple"),
        (
            _response(probabilities=_tensor(np.uint8([[1, 2]]), tensor_content=b"", int_val=[256, -1])),
            "expected uint8 values of 0 to 255",
        ),
        (_response(classes=_tensor(np.float32([[1]]))), r"classes of type float32 and shape \(1, 1\)"),
        (_response(classes=[b"one"]), r"classes of type object and shape \(1,\)"),
        (_response(classes=[[b"\xff"]]), "'utf-8' codec can't decode"),
        (_response(classes=[[b"one", b"two", b"three"]]), "classes that are no names"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",  # protobuf writes maps in any order
)
def test_of_grpc(message, what, start_grpc_bytes, capfd):
    connection = GrpcConnection(start_grpc_bytes(message), retries=Retries(0))
    with pytest.raises(UnansweredError, match=f"something else than probabilities and classes: {what}") as raised:
        connection.classify(*_REQUEST)
    assert _is_one_line(str(raised.value))
    connection.describe()
    connection.close()
    assert capfd.readouterr().err == ""  # gRPC would show a traceback


def test_what_is_one(start_grpc_bytes):
    connection = GrpcConnection(start_grpc_bytes(_response()), retries=Retries(0))
    answer = connection.classify(*_REQUEST)
    connection.close()
    assert (answer.probabilities.tolist(), answer.classes, answer.version) == ([0.25, 0.75], ("one", "zero"), None)


def test_probabilities_of_few_bits_add_up_nearly():
    assert Answer.of([[0.26, 0.76]], [["one"]], 3).version == 3
    with pytest.raises(ValueError, match="add up to 1.06"):
        Answer.of([[0.3, 0.76]], [["one"]], 3)


@pytest.fixture
def start_grpc_bytes():
    """A function: starts a gRPC server that answers every call with these bytes; its address."""
    import concurrent.futures

    running = []

    def start(message):
        class Handler(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(lambda request, context: message)

        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((Handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        running.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in running:
        server.stop(None).wait()
