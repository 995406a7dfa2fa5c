"""Authorities for certificates, and a gateway before a server."""

import base64
import json
import types
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest

from benchmarks.authority import Authority


@pytest.fixture(scope="session")
def authority():
    """An authority that the tests' clients trust."""
    return Authority("tests")


@pytest.fixture(scope="session")
def other_authority():
    """Another one."""
    return Authority("others")


# A gateway before a server.


@pytest.fixture(scope="session")
def small_server(small_model):
    """It served on free ports."""
    from tsd_tf.serving.server import BackgroundServer

    with BackgroundServer(small_model, labels={"stable": 1}) as running:
        yield running


@pytest.fixture(scope="session")
def clips():
    """uint8 (3, 4, 16, 16, 3), smooth, so that codecs leave their means alone: class 3, 0 and 2 is the likeliest."""
    levels = np.array([[40, 80, 120, 240], [250, 20, 90, 10], [70, 60, 200, 30]])
    ramp = np.arange(16)[:, None, None]
    return (levels[..., None, None, None] + np.zeros((16, 16, 3), int) - ramp // 8).astype("uint8")


@pytest.fixture(scope="session")
def wire():
    """How tests ask servers: `stub`, `request`, `http`, `coded`, `coded_json`, `backend`, `outputs`, `code_of`."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from tsd_tf.gateway.backend_address import BackendAddress
    from tsd_tf.video import codec

    def stub(server):
        channel = grpc.insecure_channel(server.address, [("grpc.max_receive_message_length", -1)])
        return prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def request(signature="", name="tsd", version=None, label=None, **inputs):
        message = predict_pb2.PredictRequest()
        message.model_spec.name = name
        message.model_spec.signature_name = signature
        if version is not None:
            message.model_spec.version.value = version
        if label is not None:
            message.model_spec.version_label = label
        for key, value in inputs.items():
            message.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        return message

    def http(url, body=None, method=None, **headers):
        """(status, content, headers)."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            message = urllib.request.Request(url, body, headers, method=method)
            with urllib.request.urlopen(message, timeout=30) as response:
                return response.status, response.read(), response.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def coded(clips, name="h264"):
        """Inputs of the signature `coded`, the frames of each clip in an order of its own."""
        orders = [np.roll(np.arange(clips.shape[1]), index) for index in range(len(clips))]
        encoded = [codec.encode(clip, name, order=order).inputs for clip, order in zip(clips, orders, strict=True)]
        packets = np.full((len(clips), max(inputs["packets"].size for inputs in encoded)), b"", object)
        for line, inputs in zip(packets, encoded, strict=True):
            line[: inputs["packets"].size] = inputs["packets"][0]
        return {
            "packets": packets,
            **{name: np.concatenate([inputs[name] for inputs in encoded]) for name in ("codec", "order")},
        }

    def coded_json(inputs, row=False):
        """A body of REST with the same inputs."""
        values = {
            "packets": [
                [{"b64": base64.b64encode(packet).decode()} for packet in clip if packet] for clip in inputs["packets"]
            ],
            "codec": [name.decode() for name in inputs["codec"]],
            "order": inputs["order"].tolist(),
        }
        if not row:
            return {"signature_name": "coded", "inputs": values}
        instances = [dict(zip(values, line, strict=True)) for line in zip(*values.values(), strict=True)]
        return {"signature_name": "coded", "instances": instances}

    def backend(*servers):
        """Their addresses, as a Gateway takes them."""
        return [BackendAddress.parse(f"{server.address}:{server.url.rpartition(':')[2]}") for server in servers]

    def outputs(response):
        return {name: tf.make_ndarray(tensor).tolist() for name, tensor in response.outputs.items()}

    def code_of(work, *args, **kwargs):
        """(code, text) of a call that fails."""
        with pytest.raises(grpc.RpcError) as caught:
            work(*args, **{"timeout": 30, **kwargs})
        return caught.value.code().name, caught.value.details()

    names = ("stub", "request", "http", "coded", "coded_json", "backend", "outputs", "code_of")
    values = locals()
    return types.SimpleNamespace(**{name: values[name] for name in names})
