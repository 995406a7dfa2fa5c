"""The gateway before a real embedded server with a real export."""

import base64
import concurrent.futures
import json

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.video import codec, picture_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(server, wire):
    with BackgroundGateway(wire.backend(server), decoding={"num_workers": 2}) as running:
        yield running


@pytest.fixture(scope="module")
def frames(exported):
    return np.asarray(exported.clips[:, ::2])


def _jpegs(clips):
    return np.array([[tf.io.encode_jpeg(frame).numpy() for frame in clip] for clip in clips], object)


@pytest.mark.parametrize("signature", ["", "serving_default", "jpeg", "video"])
@pytest.mark.parametrize("choice", [{}, {"version": 1}, {"label": "stable"}])
def test_answers_are_the_servers(gateway, server, wire, frames, signature, choice):
    inputs = {"frames": frames}
    if signature == "jpeg":
        inputs = {"frames_bytes": _jpegs(frames)}
    elif signature == "video":
        inputs = {"frames": frames[None]}
    request = wire.request(signature, **choice, **inputs)
    assert wire.stub(gateway).Predict(request) == wire.stub(server).Predict(request)


def test_answers_by_rest_are_the_servers(gateway, server, wire, frames):
    pictures = [{"b64": base64.b64encode(picture).decode()} for picture in _jpegs(frames[:1])[0]]
    for path, body in (
        ("/v1/models/tsd:predict", {"instances": frames.tolist()}),
        ("/v1/models/tsd/versions/1:predict", {"inputs": frames.tolist()}),
        ("/V1/Models/tsd/labels/stable:predict", {"signature_name": "jpeg", "instances": [pictures]}),
    ):
        found, expected = wire.http(gateway.url + path, body), wire.http(server.url + path, body)
        assert found[:2] == expected[:2]
        assert found[0] == 200
        assert found[2]["Content-Type"] == expected[2]["Content-Type"]


def _assert_same(outputs, expected):
    """Equal names, and numbers but for the order in which the server's threads add up."""
    assert set(outputs) == set(expected)
    assert outputs["classes"] == expected["classes"]
    for name in set(outputs) - {"classes"}:
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["h264", "hevc", "vp9", "webp", "jpeg", "png"])
def test_coded_clips_are_answered_as_their_frames(gateway, server, wire, frames, name):
    if name in codec.VIDEO_CODECS or name == "webp":
        inputs = wire.coded(frames, name)
    else:  # which the client sends to the signature `jpeg`
        inputs = {
            "packets": np.array([[picture_files.encode(frame, name) for frame in clip] for clip in frames], object),
            "codec": np.array([name.encode()] * len(frames), object),
            "order": np.tile(np.arange(frames.shape[1], dtype="uint8"), (len(frames), 1)),
        }
    request = wire.request(frames=codec.decode_inputs(inputs, frames.shape[1:4]))
    expected = wire.outputs(wire.stub(server).Predict(request))
    response = wire.stub(gateway).Predict(wire.request("coded", **inputs))
    _assert_same(wire.outputs(response), expected)
    assert (response.model_spec.name, response.model_spec.signature_name) == ("tsd", "coded")
    assert response.model_spec.version.value == 1
    status, body, _ = wire.http(f"{gateway.url}/v1/models/tsd:predict", wire.coded_json(inputs))
    assert status == 200
    np.testing.assert_allclose(json.loads(body)["outputs"]["scores"], expected["scores"], rtol=1e-5)
    status, body, _ = wire.http(f"{gateway.url}/v1/models/tsd/labels/stable:predict", wire.coded_json(inputs, row=True))
    assert status == 200
    for index, row in enumerate(json.loads(body)["predictions"]):
        assert row["classes"] == [name.decode() for name in expected["classes"][index]]
        np.testing.assert_allclose(row["logits"], expected["logits"][index], rtol=1e-5, atol=1e-6)


def test_one_clip_of_another_codec_each(gateway, server, wire, frames):
    """Clips of one request need not be alike."""
    parts = [wire.coded(frames[index : index + 1], name) for index, name in enumerate(("h264", "vp9"))]
    width = max(part["packets"].shape[1] for part in parts)
    packets = np.full((2, width), b"", object)
    for line, part in zip(packets, parts, strict=True):
        line[: part["packets"].shape[1]] = part["packets"][0]
    inputs = {"packets": packets, **{key: np.concatenate([part[key] for part in parts]) for key in ("codec", "order")}}
    request = wire.request(frames=codec.decode_inputs(inputs, frames.shape[1:4]))
    expected = wire.outputs(wire.stub(server).Predict(request))
    _assert_same(wire.outputs(wire.stub(gateway).Predict(wire.request("coded", **inputs))), expected)


def test_the_output_filter_holds_for_coded_clips(gateway, wire, frames):
    request = wire.request("coded", **wire.coded(frames))
    request.output_filter.extend(["scores", "classes"])
    assert set(wire.stub(gateway).Predict(request).outputs) == {"scores", "classes"}
    request.output_filter[:] = ["nothing"]
    code, text = wire.code_of(wire.stub(gateway).Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("output tensor alias not found in signature: nothing")


_CLIP = np.zeros((1, 4, 64, 64, 3), "uint8")


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "x", "frames": _CLIP},
        {"version": 7, "frames": _CLIP},
        {"label": "x", "frames": _CLIP},
        {"signature": "x", "frames": _CLIP},
        {},
        {"frames": _CLIP[:, :3]},
        {"frames": np.repeat(_CLIP, 17, 0)},
        {"signature": "jpeg", "frames_bytes": np.array([[b"no picture"] * 4], object)},
    ],
)
def test_errors_are_the_servers(gateway, server, wire, arguments):
    request = wire.request(**arguments)
    found = wire.code_of(wire.stub(gateway).Predict, request)
    assert found == wire.code_of(wire.stub(server).Predict, request)
    assert found[1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/nothing", None),
        ("POST", "/v1/models/tsd", b"{}"),
        ("DELETE", "/v1/models/tsd", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/x", None),
        ("GET", "/v1/models/tsd", None),
        ("GET", "/v1/models/tsd/versions/7", None),
        ("GET", f"/v1/models/tsd/versions/{'9' * 30}", None),
        ("GET", f"/v1/models/tsd/versions/{'0' * 20}{'9' * 30}", None),
        ("GET", "/v1/models/x/metadata", None),
        ("POST", "/v1/models/tsd/labels/x:predict", b"{}"),
        ("POST", "/v1/models/tsd:classify", b"{}"),
        ("POST", "/v1/models/tsd:predict", b""),
        ("POST", "/v1/models/tsd:predict", b'not "coded" json'),
        ("POST", "/v1/models/tsd:predict", {"signature_name": "x", "inputs": 1}),
        ("POST", "/v1/models/tsd:predict", {"signature_name": "jpeg", "instances": ["coded"]}),
        ("POST", "/v1/models/tsd:predict", {"instances": _CLIP[:, :2].tolist()}),
    ],
)
def test_http_errors_are_the_servers(gateway, server, wire, method, path, body):
    found = wire.http(gateway.url + path, body, method)
    assert found[:2] == wire.http(server.url + path, body, method)[:2]


def test_nothing_else_of_the_server_is_to_be_reached(gateway, server, wire):
    for path in ("/monitoring/prometheus/metrics", "/v1/../monitoring/prometheus/metrics", "/", "/metrics"):
        status, body, _ = wire.http(gateway.url + path)
        assert status == 400
        assert json.loads(body) == {"error": f"Malformed request: GET {path}"}


def _without(inputs, key):
    return {name: value for name, value in inputs.items() if name != key}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda inputs: {**inputs, "codec": np.array([b"divx"], object)}, "`codec` must be one of h264"),
        (lambda inputs: {**inputs, "codec": np.array([b"vp9"], object)}, "no vp9 stream of frames of 64 x 64 pixels"),
        (lambda inputs: {**inputs, "packets": inputs["packets"][:, :-1]}, "expected 4 frames, got 3"),
        (lambda inputs: {**inputs, "packets": np.array([[b"\0" * 100]], object)}, "no h264 stream"),
        (lambda inputs: {**inputs, "packets": inputs["packets"][:, :0]}, "expected 4 frames, got 0"),
        (lambda inputs: {**inputs, "order": inputs["order"][:, :3]}, "expected an order of 4 frames"),
        (lambda inputs: {**inputs, "order": np.zeros((1, 4), "uint8")}, "expected an order of 4 frames"),
        (
            lambda inputs: {**inputs, "order": inputs["order"].astype("int32")},
            "expected order as uint8, got DataType 3",
        ),
        (lambda inputs: {**inputs, "codec": np.array(b"h264", object)}, "got a scalar"),
        (lambda inputs: {**inputs, "codec": np.array([b"h264"] * 2, object)}, "expected packets as strings"),
        (lambda inputs: _without(inputs, "order"), "no input order"),
        (lambda inputs: {**inputs, "frames": _CLIP}, "no input is called frames"),
        (lambda inputs: {name: np.repeat(value, 17, 0) for name, value in inputs.items()}, "at most 16 clips"),
        (lambda inputs: {name: value[:0] for name, value in inputs.items()}, "for 0 clips"),
    ],
)
def test_bad_clips_cost_one_answer(gateway, wire, frames, change, text):
    good = wire.request("coded", **wire.coded(frames[:1]))
    stub = wire.stub(gateway)
    expected = wire.outputs(stub.Predict(good))
    bad = wire.request("coded", **change(wire.coded(frames[:1])))
    others = [stub.Predict.future(good, timeout=30) for _ in range(4)]
    code, found = wire.code_of(stub.Predict, bad)
    assert code == "INVALID_ARGUMENT"
    assert text in found
    assert "\n" not in found
    for other in others:
        np.testing.assert_allclose(wire.outputs(other.result())["probabilities"], expected["probabilities"], rtol=1e-5)


def test_clips_of_other_sizes(gateway, wire, frames):
    stub = wire.stub(gateway)
    for clips, text in (
        (np.concatenate([frames[:1], frames[:1, :1]], 1), "expected an order of 4 frames"),
        (frames[:1, :, :48, :48], "expected frames of 64 x 64 pixels, got 48 x 48"),
        (np.tile(frames[:1], (1, 1, 4, 4, 1)), "no h264 stream of frames of 64 x 64 pixels"),
    ):
        code, found = wire.code_of(stub.Predict, wire.request("coded", **wire.coded(clips)))
        assert (code, text in found) == ("INVALID_ARGUMENT", True), found


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"codec": ["divx"]}, "`codec` must be one of"),
        ({"codec": "h264"}, "expected a list in 'codec'"),
        ({"packets": [[{"b64": "no!"}]]}, "unable to base64 decode"),
        ({"packets": [[3]]}, 'expected strings, or {"b64": ...}'),
        ({"order": [[0, 1, 2, 256]]}, "integers of 0 to 255"),
        ({"order": [[0, 1, 2]]}, "expected an order of 4 frames"),
        ({"codec": ["h264", "h264"]}, "one entry a clip"),
        ({"x": 1}, "expected 'inputs' as an object of packets, codec, order"),
    ],
)
def test_bad_clips_by_rest(gateway, wire, frames, change, text):
    body = wire.coded_json(wire.coded(frames[:1]))
    body["inputs"].update(change)
    status, found, _ = wire.http(f"{gateway.url}/v1/models/tsd:predict", body)
    assert status == 400
    assert text in json.loads(found)["error"]


def test_coded_clips_of_models_that_are_not_there(gateway, wire, frames):
    inputs = wire.coded(frames[:1])
    stub = wire.stub(gateway)
    for arguments, code, text in (
        ({"name": "x"}, "NOT_FOUND", "Servable not found for request: Latest(x)"),
        ({"version": 7}, "NOT_FOUND", "Servable not found for request: Specific(tsd, 7)"),
        ({"label": "y"}, "INVALID_ARGUMENT", "Unrecognized servable version label: y"),
    ):
        assert wire.code_of(stub.Predict, wire.request("coded", **arguments, **inputs)) == (code, text)
    status, body, _ = wire.http(f"{gateway.url}/v1/models/tsd/versions/7:predict", wire.coded_json(inputs))
    assert (status, json.loads(body)["error"]) == (404, "Servable not found for request: Specific(tsd, 7)")


def test_many_at_once_get_their_own_answers(gateway, wire, frames):
    stub = wire.stub(gateway)
    requests = [wire.request("coded", **wire.coded(frames[index : index + 1])) for index in range(3)]
    expected = [wire.outputs(stub.Predict(request))["probabilities"] for request in requests]
    bodies = [wire.coded_json(wire.coded(frames[index : index + 1])) for index in range(3)]
    calls = [stub.Predict.future(requests[index % 3], timeout=60) for index in range(30)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda index: wire.http(f"{gateway.url}/v1/models/tsd:predict", bodies[index % 3]), range(12)
        )
        for index, (status, body, _) in enumerate(answers):
            assert status == 200
            np.testing.assert_allclose(json.loads(body)["outputs"]["probabilities"], expected[index % 3], rtol=1e-4)
    for index, call in enumerate(calls):
        np.testing.assert_allclose(wire.outputs(call.result())["probabilities"], expected[index % 3], rtol=1e-4)


def test_a_client_that_hangs_up_harms_nobody(gateway, wire, frames):
    stub = wire.stub(gateway)
    request = wire.request("coded", **wire.coded(frames))
    for _ in range(10):
        stub.Predict.future(request).cancel()
    assert wire.code_of(stub.Predict, request, timeout=1e-3)[0] == "DEADLINE_EXCEEDED"
    with grpc.insecure_channel(gateway.address) as channel:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict").future(b"\xff" * 1000)
    assert wire.stub(gateway).Predict(request, timeout=30).outputs
