"""The embedded server through TensorFlow Serving's own stubs and through HTTP."""

import base64
import concurrent.futures
import contextlib
import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request
import zlib

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from benchmarks import strangers
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.server import BackgroundServer

pytestmark = pytest.mark.slow

_LIMITS = Limits(max_message_bytes=1_000_000, max_batch_size=4)


@pytest.fixture(scope="module")
def small(exported):
    """A server with tight limits."""
    with BackgroundServer(exported.folder / "cloud", limits=_LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def frames(exported):
    return np.asarray(exported.clips[:, ::2])


@pytest.fixture(scope="module")
def expected(exported, frames):
    logits = exported.network.cloud(to_network_input(frames), training=False)
    return tf.nn.softmax(logits).numpy()


def _stub(server):
    return prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server.address))


def _request(signature="", name="tsd", version=None, label=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def _http(server, path, body=None, method=None):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _jpegs(clips):
    return np.array([[tf.io.encode_jpeg(frame).numpy() for frame in clip] for clip in clips], object)


def _good(server, frames, expected):
    """The server lives: a good request is answered rightly by both protocols."""
    response = _stub(server).Predict(_request(frames=frames), timeout=30)
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["probabilities"]), expected, atol=1e-3)
    status, body = _http(server, "/v1/models/tsd:predict", {"instances": frames[:1].tolist()})
    assert status == 200
    np.testing.assert_allclose(json.loads(body)["predictions"][0]["probabilities"], expected[0], atol=1e-3)


# gRPC


def test_predict(server, exported, frames, expected):
    response = _stub(server).Predict(_request(frames=frames))
    assert response.model_spec.name == "tsd"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    outputs = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    assert set(outputs) == {"logits", "probabilities", "classes", "scores"}
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-3)
    assert outputs["classes"][:, 0].tolist() == [exported.labels[index].encode() for index in expected.argmax(axis=1)]


@pytest.mark.parametrize("choice", [{"version": 1}, {"label": "stable"}])
def test_a_version_by_number_and_by_label(server, frames, choice):
    assert _stub(server).Predict(_request(frames=frames[:1], **choice)).model_spec.version.value == 1


def test_output_filter(server, frames):
    request = _request(frames=frames[:1])
    request.output_filter.extend(["scores"])
    assert set(_stub(server).Predict(request).outputs) == {"scores"}
    request.output_filter.extend(["scores"])
    with pytest.raises(grpc.RpcError, match="duplicate output tensor alias: scores"):
        _stub(server).Predict(request)
    request.output_filter[:] = ["nothing"]
    with pytest.raises(grpc.RpcError, match="output tensor alias not found in signature: nothing"):
        _stub(server).Predict(request)


def test_many_at_once_get_their_own_answers(server, frames, expected):
    stub = _stub(server)
    calls = [stub.Predict.future(_request(frames=frames[index % 3 : index % 3 + 1])) for index in range(40)]
    for index, call in enumerate(calls):
        answer = tf.make_ndarray(call.result(timeout=60).outputs["probabilities"])
        np.testing.assert_allclose(answer, expected[index % 3 : index % 3 + 1], atol=1e-3)


_PICTURE = tf.io.encode_jpeg(np.zeros((64, 64, 3), "uint8")).numpy()
_PNG_HEADER = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
_BOMB = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + _PNG_HEADER + struct.pack(">I", zlib.crc32(b"IHDR" + _PNG_HEADER))
_INFLATES = strangers.png(64, 64 << 20)
_CLIP = np.zeros((1, 4, 64, 64, 3), "uint8")


def _pictures(picture):
    return np.array([[picture] * 4], object)


def _json_pictures(picture, count=4):
    return {"signature_name": "jpeg", "instances": [[{"b64": base64.b64encode(picture).decode()}] * count]}


@pytest.mark.parametrize(
    ("request_arguments", "code", "text"),
    [
        ({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"name": "x", "frames": _CLIP}, "NOT_FOUND", r"Servable not found for request: Latest\(x\)"),
        ({"version": 7, "frames": _CLIP}, "NOT_FOUND", r"Servable not found for request: Specific\(tsd, 7\)"),
        ({"label": "x", "frames": _CLIP}, "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        ({"signature": "x", "frames": _CLIP}, "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        (
            {"signature": "__saved_model_init_op", "frames": _CLIP},
            "FAILED_PRECONDITION",
            'Serving signature key "__saved_model_init_op" not found.',
        ),
        ({}, "INVALID_ARGUMENT", r"input size does not match signature: 0!=1 len\({}\) != len\({frames}\)"),
        ({"x": _CLIP}, "INVALID_ARGUMENT", r"Sent extra: {x}. Missing but required: {frames}."),
        ({"frames": _CLIP[:, :3]}, "INVALID_ARGUMENT", r"Received: \[1,3,64,64,3\]"),
        ({"frames": _CLIP[:, :, :63]}, "INVALID_ARGUMENT", r"Received: \[1,4,63,64,3\]"),
        ({"frames": _CLIP[0]}, "INVALID_ARGUMENT", r"Received: \[4,64,64,3\]"),
        ({"frames": _CLIP[:0]}, "INVALID_ARGUMENT", r"Received: \[0,4,64,64,3\]"),
        (
            {"frames": _CLIP * np.float32("nan")},
            "INVALID_ARGUMENT",
            "Expected input frames to be uint8 but get float32.",
        ),
        ({"frames": np.repeat(_CLIP, 17, 0)}, "RESOURCE_EXHAUSTED", "Task size 17 is larger than maximum input batch"),
        (
            {"signature": "video", "frames": np.repeat(_CLIP, 17, 0)[None]},
            "RESOURCE_EXHAUSTED",
            "Task size 17 is larger than maximum input batch",
        ),
        ({"signature": "jpeg", "frames_bytes": _pictures(b"")}, "INVALID_ARGUMENT", "Invalid JPEG data"),
        ({"signature": "jpeg", "frames_bytes": _pictures(_PICTURE[:300])}, "INVALID_ARGUMENT", "Invalid JPEG data"),
        ({"signature": "jpeg", "frames_bytes": _pictures(_BOMB)}, "INVALID_ARGUMENT", "pictures of 64 x 64 pixels"),
        ({"signature": "jpeg", "frames_bytes": _pictures(_PICTURE)[:, :3]}, "INVALID_ARGUMENT", r"Received: \[1,3\]"),
        (
            {"signature": "jpeg", "frames_bytes": _pictures(_INFLATES)},
            "INVALID_ARGUMENT",
            "more than its size explains",
        ),
    ],
)
def test_bad_requests(server, frames, expected, request_arguments, code, text):
    with pytest.raises(grpc.RpcError) as caught:
        _stub(server).Predict(_request(**request_arguments))
    assert caught.value.code().name == code
    assert re.search(text, caught.value.details())
    assert "\n" not in caught.value.details()
    _good(server, frames, expected)


def test_a_broken_picture_harms_nobody_else(server, frames):
    stub = _stub(server)
    broken = _jpegs(frames[:1])
    broken[0, 2] = broken[0, 2][:300]
    good = [stub.Predict.future(_request("jpeg", frames_bytes=_jpegs(frames[:1]))) for _ in range(4)]
    bad = [stub.Predict.future(_request("jpeg", frames_bytes=broken)) for _ in range(4)]
    more = [stub.Predict.future(_request("jpeg", frames_bytes=_jpegs(frames[:1]))) for _ in range(4)]
    answers = [tf.make_ndarray(call.result().outputs["probabilities"]) for call in good + more]
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0], np.shape(answers)), atol=1e-5)
    assert {call.exception().code() for call in bad} == {grpc.StatusCode.INVALID_ARGUMENT}


def test_a_message_that_is_too_large(small, server, frames, expected):
    for running in (small, server):
        with pytest.raises(grpc.RpcError) as caught:
            _stub(running).Predict(_request(frames=np.zeros((100_000_000,), "uint8")))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in caught.value.details()
        _good(running, frames, expected)


def test_a_message_that_is_no_message(server, frames, expected):
    channel = grpc.insecure_channel(server.address)
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError):
        predict(b"\xff\xff\xff")
    with pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
        predict(b"")
    _good(server, frames, expected)


def test_other_methods_are_unimplemented(server):
    stub = _stub(server)
    from tensorflow_serving.apis import classification_pb2

    with pytest.raises(grpc.RpcError) as caught:
        stub.Classify(classification_pb2.ClassificationRequest())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    # Their messages are not parsed, which would take seconds for millions of examples: this one cannot be.
    classify = grpc.insecure_channel(server.address).unary_unary("/tensorflow.serving.PredictionService/Classify")
    with pytest.raises(grpc.RpcError) as caught:
        classify(b"\xff\xff\xff", timeout=30)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_health(exported):
    """gRPC's standard health service, as grpc_health_probe and Kubernetes ask it."""
    with BackgroundServer(exported.folder / "cloud") as running:
        stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(running.address))
        for service in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=30)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_clients_that_hang_up(server, frames, expected):
    stub = _stub(server)
    for _ in range(5):
        stub.Predict.future(_request(frames=frames)).cancel()
    # An answer may be there before gRPC looks at its clock; not every time.
    codes = {stub.Predict.future(_request(frames=frames), timeout=1e-6).code() for _ in range(10)}
    assert grpc.StatusCode.DEADLINE_EXCEEDED in codes
    assert codes <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.OK}
    host, port = server.url.removeprefix("http://").split(":")
    for text in (
        b"POST /v1/models/tsd:predict HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{",
        b"nonsense\r\n\r\n",
        b"\x16\x03",
    ):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text)
    # A whole request, and nobody there when it is answered.
    body = json.dumps({"instances": frames.tolist()}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/models/tsd:predict HTTP/1.1\r\nHost: x\r\n")
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    # HTTP/2 to the gRPC port, broken off in the preface, after it, and in the middle of a frame's payload.
    host, port = server.address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for text in (
        preface[:10],
        preface,
        preface + b"\0\0\0\4\0\0\0\0\0" + b"\0\1\0\0\0\0\0\0\1abc",
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text)
    _good(server, frames, expected)


def test_others_are_answered_while_one_sends_rubbish(server, frames, expected):
    """Every kind of bad request beside good ones, by both protocols: no good one waits, fails or changes."""
    stub = _stub(server)
    bad = [
        lambda: stub.Predict(_request("jpeg", frames_bytes=_pictures(_PICTURE[:300]))),
        lambda: stub.Predict(_request(frames=_CLIP[:, :3])),
        lambda: stub.Predict(_request("x", frames=_CLIP)),
        lambda: stub.Predict(_request(frames=_CLIP * np.float32("nan"))),
        lambda: stub.Predict(_request(frames=np.zeros(100_000_000, "uint8"))),
        lambda: stub.Predict(_request(frames=frames), timeout=1e-3),
        lambda: _http(server, "/v1/models/tsd:predict", b"not json"),
        lambda: _http(server, "/v1/models/tsd/labels/x:predict", {"instances": frames[:1].tolist()}),
        lambda: _http(server, "/v1/models/tsd:predict", _json_pictures(_BOMB)),
    ]

    def fail(request):
        try:
            status, _ = request()
        except grpc.RpcError as error:
            return error.code().value[0]
        return status

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        failing = [threads.submit(fail, request) for request in bad * 2]
        good = [threads.submit(_good, server, frames, expected) for _ in range(6)]
        for answer in good:
            answer.result()
        assert all(answer.result() not in (0, 200, 500) for answer in failing)


def test_metadata(server):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "tsd"
    response = _stub(server).GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "jpeg", "video"}
    frames = signatures.signature_def["serving_default"].inputs["frames"]
    assert [dimension.size for dimension in frames.tensor_shape.dim] == [-1, 4, 64, 64, 3]
    for fields, text in (([], "at least one metadata_field"), (["x"], "Metadata field x is not supported")):
        request.metadata_field[:] = fields
        with pytest.raises(grpc.RpcError, match=text):
            _stub(server).GetModelMetadata(request)


def test_status(server):
    stub = model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(server.address))
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "tsd"
    (status,) = stub.GetModelStatus(request).model_version_status
    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.version.value = 7
    with pytest.raises(grpc.RpcError, match="Could not find version 7 of model tsd"):
        stub.GetModelStatus(request)
    request.model_spec.name, request.model_spec.version_label = "x", "y"
    with pytest.raises(grpc.RpcError, match="Unrecognized servable version label: y"):
        stub.GetModelStatus(request)


# REST


def test_rest_predict(server, exported, frames, expected):
    for body, key in (({"instances": frames.tolist()}, "predictions"), ({"inputs": frames.tolist()}, "outputs")):
        status, answer = _http(server, "/v1/models/tsd:predict", body)
        assert status == 200
        answer = json.loads(answer)[key]
        found = answer["probabilities"] if key == "outputs" else [row["probabilities"] for row in answer]
        np.testing.assert_allclose(found, expected, atol=1e-3)
        classes = answer["classes"] if key == "outputs" else [row["classes"] for row in answer]
        assert [row[0] for row in classes] == [exported.labels[index] for index in expected.argmax(axis=1)]


@pytest.mark.parametrize("path", ["/v1/models/tsd/versions/1", "/v1/models/tsd/labels/stable", "/V1/Models/tsd"])
def test_rest_pictures(server, frames, path):
    clip = [{"b64": base64.b64encode(picture).decode()} for picture in _jpegs(frames[:1])[0]]
    status, answer = _http(server, f"{path}:predict", {"signature_name": "jpeg", "instances": [clip]})
    assert status == 200
    response = _stub(server).Predict(_request("jpeg", frames_bytes=_jpegs(frames[:1])))
    np.testing.assert_allclose(
        json.loads(answer)["predictions"][0]["logits"], tf.make_ndarray(response.outputs["logits"])[0], atol=1e-4
    )


def test_rest_status_and_metadata(server):
    status, body = _http(server, "/v1/models/tsd")
    assert status == 200
    assert json.loads(body) == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert _http(server, "/v1/models/tsd/versions/1") == (status, body)
    status, body = _http(server, "/v1/models/tsd/metadata")
    assert status == 200
    metadata = json.loads(body)
    assert metadata["model_spec"] == {"name": "tsd", "version": "1", "signature_name": ""}
    frames = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["frames"]
    assert frames["dtype"] == "DT_UINT8"
    assert frames["tensor_shape"]["dim"][0] == {"size": "-1", "name": ""}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "text"),
    [
        ("GET", "/", None, 404, ""),
        ("GET", "/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
        ("POST", "/v1/models/tsd", b"{}", 400, "Malformed request: POST /v1/models/tsd"),
        ("DELETE", "/v1/models/tsd", None, 400, "Malformed request: DELETE /v1/models/tsd"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/x", None, 404, "Could not find any versions of model x"),
        ("GET", "/v1/models/tsd/versions/7", None, 404, "Could not find version 7 of model tsd"),
        ("GET", f"/v1/models/tsd/versions/{'9' * 30}", None, 400, "Failed to convert version"),
        ("GET", f"/v1/models/tsd/versions/{'0' * 20}{'9' * 30}", None, 400, "Failed to convert version"),
        ("GET", f"/v1/models/tsd/versions/{'0' * 30}7", None, 404, "Could not find version 7 of model tsd"),
        ("GET", "/v1/models/x/metadata", None, 404, "Servable not found for request: Latest(x)"),
        ("POST", "/v1/models/x:predict", b"{}", 404, "Servable not found for request: Latest(x)"),
        ("POST", "/v1/models/tsd/versions/7:predict", b"{}", 404, "Servable not found for request: Specific(tsd, 7)"),
        ("POST", "/v1/models/tsd/labels/x:predict", b"{}", 400, "Unrecognized servable version label: x"),
        ("POST", "/v1/models/tsd:classify", b"{}", 400, "Expected classification signature method_name"),
        ("POST", "/v1/models/tsd:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("POST", "/v1/models/tsd:predict", b"not json", 400, "JSON Parse error: Expecting value at offset: 0"),
        ("POST", "/v1/models/tsd:predict", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        (
            "POST",
            "/v1/models/tsd:predict",
            {"signature_name": "x", "inputs": 1},
            400,
            'Serving signature name: "x" not found in signature def',
        ),
        ("POST", "/v1/models/tsd:predict", b'{"inputs": [NaN]}', 400, "input frames must have shape [?,4,64,64,3]"),
        ("POST", "/v1/models/tsd:predict", {"instances": _CLIP[:, :2].tolist()}, 400, "Received: [1,2,64,64,3]"),
        (
            "POST",
            "/v1/models/tsd:predict",
            json.dumps({"instances": _CLIP.tolist()}).replace("0", "NaN", 1).encode(),
            400,
            "JSON Value: NaN Type: Number is not of expected type: uint8",
        ),
        (
            "POST",
            "/v1/models/tsd:predict",
            {"signature_name": "jpeg", "instances": [[{"b64": "AAAA"}] * 4]},
            400,
            "Invalid JPEG data",
        ),
        ("POST", "/v1/models/tsd:predict", _json_pictures(_PICTURE[:300]), 400, "Invalid JPEG data"),
        ("POST", "/v1/models/tsd:predict", _json_pictures(_BOMB), 400, "pictures of 64 x 64 pixels"),
        ("POST", "/v1/models/tsd:predict", _json_pictures(_INFLATES), 400, "more than its size explains"),
        ("POST", "/v1/models/tsd:predict", _json_pictures(_PICTURE, 3), 400, "Received: [1,3]"),
        ("POST", "/v1/models/tsd:predict", {"instances": _CLIP[:, :, :63].tolist()}, 400, "Received: [1,4,63,64,3]"),
    ],
)
def test_bad_http_requests(server, frames, expected, method, path, body, code, text):
    status, answer = _http(server, path, body, method)
    assert status == code
    if text:
        assert text in json.loads(answer)["error"]
    _good(server, frames, expected)


def test_a_body_of_100_megabytes(server, frames, expected):
    """Sent in full, to a server with the limits that it has by default."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = b"POST /v1/models/tsd:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
        connection.sendall(head)
        with contextlib.suppress(OSError):  # the server may close before all of it is sent
            for _ in range(100):
                connection.sendall(b" " * 1_000_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    _good(server, frames, expected)


def test_bodies_that_are_too_large(small, frames, expected):
    status, answer = _http(small, "/v1/models/tsd:predict", b" " * 1_000_001)
    assert status == 413
    assert "larger than the 1000000 bytes" in json.loads(answer)["error"]
    # A client that does not say how much it sends, and one that says 100 MB and would send them.
    host, port = small.url.removeprefix("http://").split(":")
    for head, chunk in (
        (b"Transfer-Encoding: chunked", b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
        (b"Content-Length: 100000000", b""),
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"POST /v1/models/tsd:predict HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            try:
                for _ in range(20):
                    connection.sendall(chunk)
            except OSError:
                pass
            assert connection.recv(100).startswith(b"HTTP/1.1 413")
    status, answer = _http(small, "/v1/models/tsd:predict", {"instances": np.zeros((5, 4, 64, 64, 3), int).tolist()})
    assert status == 429
    assert "Task size 5 is larger than maximum input batch size 4" in json.loads(answer)["error"]
    _good(small, frames, expected)


def test_metrics_count_requests(server, frames):
    def count():
        status, page = _http(server, "/monitoring/prometheus/metrics")
        assert status == 200
        found = re.search(r':tensorflow:serving:request_count\{model_name="tsd",status="OK"\} (\d+)', page)
        return int(found[1]) if found else 0

    before = count()
    _stub(server).Predict(_request(frames=frames))
    assert count() == before + 1


def test_a_port_that_is_taken(exported):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for name in ("port", "rest_port"):
            server = BackgroundServer(exported.folder / "cloud", **{name: taken.getsockname()[1]})
            with pytest.raises(UserError, match=r"cannot listen on 127.0.0.1:\d+"):
                server.__enter__()


def test_a_server_that_stops_answers_what_it_has(exported, frames, expected):
    # Requests wait for others for three seconds: long enough that all four are in the server when it stops.
    with BackgroundServer(exported.folder / "cloud", limits=Limits(batch_timeout=3.0)) as server:
        stub = _stub(server)
        stub.Predict(_request(frames=frames))
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(stub.Predict, _request(frames=frames), timeout=60) for _ in range(4)]
            time.sleep(1.5)
            assert not any(call.done() for call in calls)
            server.stop()
            end = time.monotonic() + 30
            while _is_healthy(server):  # a probe is told, or finds nobody
                assert time.monotonic() < end
            for call in calls:
                np.testing.assert_allclose(tf.make_ndarray(call.result().outputs["probabilities"]), expected, atol=1e-3)


def _is_healthy(server):
    with grpc.insecure_channel(server.address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        except grpc.RpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING
