"""Certificates as authorities make them."""

import base64
import datetime
import ipaddress
import json
import types
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates of localhost; `pem` is its own."""

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = _signed(self._name, self._key.public_key(), self._name, self._key, is_authority=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name="localhost", days=(-1, 30), passphrase=None):
        """(certificate, key) in PEM, valid from so many days from now until so many."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = _signed(subject, key.public_key(), self._name, self._key, days)
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    def write(self, folder, name="server", **options):
        """Writes what `issue` returns to name.pem and name.key; returns the paths."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, content in zip(paths, self.issue(**options), strict=True):
            path.write_bytes(content)
        return paths


def _signed(subject, public_key, issuer, issuer_key, days=(-1, 30), is_authority=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


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
def save_model():
    """A function: writes a SavedModel whose logits are the mean levels of the red of each frame."""
    import tensorflow as tf

    def save(folder, num_frames=4, size=16):
        class Model(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, num_frames, size, size, 3], tf.uint8, "frames")])
            def answer(self, frames):
                logits = tf.reduce_mean(tf.cast(frames, tf.float32), axis=[2, 3])[..., 0] / 16
                probabilities = tf.nn.softmax(logits)
                classes = tf.strings.as_string(tf.argsort(logits, direction="DESCENDING"))
                return {"logits": logits, "probabilities": probabilities, "classes": classes}

        model = Model()
        tf.saved_model.save(model, str(folder), signatures={"serving_default": model.answer})

    return save


@pytest.fixture(scope="session")
def small_model(tmp_path_factory, save_model):
    """A model folder whose version 1 takes clips of 4 frames of 16 x 16."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder / "1")
    return folder


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
