"""Both engines in every precision, on a small network as after a training."""

import concurrent.futures
import contextlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.engines import choice, kinds, processor
from tsd_tf.export import exporter, real_clips, verification
from tsd_tf.network_builder import build_network
from tsd_tf.serving.server import BackgroundServer
from tsd_tf.video import codec

pytest.importorskip("openvino")
pytestmark = pytest.mark.slow

_needs_bfloat16 = pytest.mark.skipif(not processor.computes_in_bfloat16(), reason="the processor has no bfloat16")


@pytest.fixture(scope="module")
def cloud(tiny_config, tmp_path_factory):
    """An export for both engines: path of the cloud half, labels, report, and what the network answers to its clips.

    Of the sample's size: with layers of a few channels, or four frames, OpenVINO 2026.4 and older answer with what
    happens to lie in memory where they use AMX, the processor's matrix unit.
    """
    config = tiny_config(method="i3d_e", num_distilled_frames=5, main_network_width=0.25, stages=())
    keras.utils.set_random_seed(0)
    network = build_network(config)
    clips, _ = real_clips.clips_to_check(config, config.data_dir, 3)
    representative, _ = real_clips.representative_clips(config, config.data_dir, 12, 3)
    inputs = network.client(to_network_input(representative))
    for _ in range(30):  # batch norm as after a training
        network.main_network(inputs, training=True)
    kernel = network.main_network.logits.kernel
    kernel.assign(0.3 * kernel)  # answers that do not hang on every bit, as random ones would
    labels = [f"class {index}" for index in range(6)]
    folder = tmp_path_factory.mktemp("export")
    options = {"variants": ("float32",), "engine": "openvino", "precision": "int8"}
    _, report = exporter.export(network, config, labels, folder, clips, representative, **options)
    reference = verification.Reference.of(network, clips)
    return types.SimpleNamespace(
        path=folder / "cloud/1",
        labels=labels,
        report=report["cloud"],
        frames=reference.distilled_frames,
        logits=reference.logits,
        probabilities=reference.probabilities,
    )


@pytest.fixture(
    scope="module",
    params=[
        ("tensorflow", "float32"),
        pytest.param(("tensorflow", "bfloat16"), marks=_needs_bfloat16),
        ("openvino", "float32"),
        pytest.param(("openvino", "bfloat16"), marks=_needs_bfloat16),
        ("openvino", "int8"),
    ],
    ids=" ".join,
)
def engine(request, cloud):
    return choice.open_engine(cloud.path, *request.param)


def test_every_signature_is_the_network(engine, cloud):
    tolerance = {"float32": 1e-4}.get(engine.precision, kinds.TOLERANCES[engine.precision])
    answer = engine.call(signatures.SERVING_DEFAULT, {"frames": cloud.frames})
    assert {name: value.shape for name, value in answer.items()} == {
        "logits": (3, 6),
        "probabilities": (3, 6),
        "classes": (3, 5),
        "scores": (3, 5),
    }
    np.testing.assert_allclose(answer["probabilities"], cloud.probabilities, atol=tolerance)
    order = np.argsort(-answer["logits"], axis=1)[:, :5]
    assert answer["classes"].tolist() == [[cloud.labels[index].encode() for index in row] for row in order]
    np.testing.assert_allclose(answer["scores"], np.take_along_axis(answer["probabilities"], order, 1), atol=1e-6)
    pictures = np.concatenate([codec.encode(clip, "png").inputs["frames_bytes"] for clip in cloud.frames])
    of_pictures = engine.call(signatures.JPEG, {"frames_bytes": pictures})
    np.testing.assert_allclose(of_pictures["logits"], answer["logits"], atol=1e-4)
    of_videos = engine.call(signatures.VIDEO, {"frames": np.stack([cloud.frames[:2], cloud.frames[1:]])})
    expected = [answer["probabilities"][:2].mean(axis=0), answer["probabilities"][1:].mean(axis=0)]
    np.testing.assert_allclose(of_videos["probabilities"], expected, atol=1e-4)
    assert of_videos["classes"].shape == (2, 5)


def test_the_precision_is_what_it_says(engine, cloud):
    """A narrower one is off, by more than float32 ever is."""
    logits = engine.call(signatures.SERVING_DEFAULT, {"frames": cloud.frames})["logits"]
    error = np.abs(logits - cloud.logits).max()
    assert error < 1e-4 if engine.precision == "float32" else error > 1e-3


def test_threads_do_not_disturb_each_other(engine, cloud):
    alone = [engine.call(signatures.SERVING_DEFAULT, {"frames": clip[None]})["logits"][0] for clip in cloud.frames]

    def ask(index):
        batch = np.repeat(cloud.frames[index % 3][None], 1 + index % 4, axis=0)
        return engine.call(signatures.SERVING_DEFAULT, {"frames": batch})["logits"]

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        for index, logits in enumerate(threads.map(ask, range(24))):
            np.testing.assert_allclose(logits, [alone[index % 3]] * (1 + index % 4), atol=1e-4)


def test_it_is_served(engine, cloud):
    pictures = codec.encode(cloud.frames[0], "png")
    expected = engine.call(*pictures)["probabilities"][0]
    options = {"engine": engine.name, "precision": engine.precision}
    with BackgroundServer(cloud.path.parent, **options) as server:
        for connection in (GrpcConnection(server.address), RestConnection(server.url)):
            with contextlib.closing(connection):
                for clip in (pictures, codec.encode(cloud.frames[0], "raw")):
                    answer = connection.classify(*clip)
                    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-4)
                    assert answer.classes[0] == cloud.labels[expected.argmax()]


def test_other_pictures_are_refused(engine):
    with pytest.raises(tf.errors.InvalidArgumentError):
        engine.call(signatures.JPEG, {"frames_bytes": np.array([[b"no picture"] * 5], object)})


def test_what_was_not_exported_is_named(exported):
    pytest.importorskip("openvino")
    with pytest.raises(UserError, match="no network for `engine` openvino in int8: looked for .*network_int8.xml"):
        choice.open_engine(exported.folder / "cloud/1", "openvino", "int8")


def test_an_export_for_openvino_is_checked(cloud):
    found = {engine: set(precisions) for engine, precisions in cloud.report.items()}
    assert found == {"tensorflow": {"float32"}, "openvino": {"float32", "int8"}}
    differences = {name: cloud.report["openvino"][name]["logits"] for name in ("float32", "int8")}
    assert differences["float32"] < 1e-4 < 1e-3 < differences["int8"]
    assert choice.load(cloud.path, "openvino", "int8").precision == "int8"
