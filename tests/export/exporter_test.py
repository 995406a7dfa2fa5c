import dataclasses
import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.engines import choice
from tsd_tf.export import exporter, real_clips, tflite, verification
from tsd_tf.export.client_half import ClientHalf
from tsd_tf.export.level_quantization import quantize_levels
from tsd_tf.export.saved_model import save_client
from tsd_tf.main_networks import InceptionI3D
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD, Consecutive, Random, Segments, TemporalAttention, Uniform

pytestmark = pytest.mark.slow


def _interpreter(exported, name="client.tflite"):
    return Interpreter(model_content=(exported.folder / name).read_bytes(), num_threads=2)


def test_what_is_written(exported):
    names = {path.name for path in exported.folder.iterdir()}
    assert names >= {
        "cloud",
        "client",
        "client.tflite",
        "client_float16.tflite",
        "client_int8.tflite",
        "client.json",
        "labels.txt",
    }
    assert not [name for name in names if name.startswith(".")]
    assert (exported.folder / "labels.txt").read_text().splitlines() == exported.labels
    written = signatures.ClientModel.from_json((exported.folder / "client.json").read_text())
    assert written == exported.sidecar
    assert (written.version, written.num_frames, written.num_distilled_frames) == (1, 8, 4)
    assert (written.frame_size, written.value_range) == (64, (0, 255))
    for variant in written.variants:
        contents = (exported.folder / variant.file).read_bytes()
        assert (variant.num_bytes, variant.sha256) == (len(contents), hashlib.sha256(contents).hexdigest())


def test_it_was_checked_on_clips_of_the_shards(exported):
    assert exported.source == f"{exported.config.data_dir} (test)"
    assert exported.clips.shape == (3, 8, 64, 64, 3)
    report = json.loads((exported.folder / "report.json").read_text(), parse_constant=pytest.fail)
    assert report == exported.report
    cloud = report["cloud"]["tensorflow"]["float32"]
    assert cloud["probabilities"] < 1e-4
    assert cloud["top1_agreement"] == 1
    assert set(report["client"]) == {"saved_model", "float32", "float16", "int8"}
    assert all(0 <= values["logits"] < 10 for values in report["client"].values())


# Largest differences of P, and of Y in levels.
@pytest.mark.parametrize(
    ("name", "of_matrix", "of_frames"),
    [("client.tflite", 1e-4, 1), ("client_float16.tflite", 0.02, 5), ("client_int8.tflite", 0.1, 32)],
)
def test_distill_is_the_network(exported, name, of_matrix, of_frames):
    distill = _interpreter(exported, name).get_signature_runner("distill")
    matrices = []
    for clip in exported.clips:
        inputs = to_network_input(clip[None])
        matrix = np.asarray(exported.network.transformation_matrix(inputs, training=False))
        frames = np.asarray(to_uint8(exported.network.client(inputs, training=False)))
        answer = distill(frames=clip[None])
        np.testing.assert_allclose(answer["transformation_matrix"], matrix, atol=of_matrix)
        assert np.abs(answer["distilled_frames"].astype(int) - frames).max() <= of_frames
        matrices.append(matrix)
    # The test would pass a client that ignores its clip otherwise.
    assert np.std(matrices, axis=0).max() > 0.01
    assert 0.15 < np.max(matrices) < 0.999


def test_the_streaming_pair_is_distill(exported):
    interpreter = _interpreter(exported)
    clip = exported.clips[:1]
    encode = interpreter.get_signature_runner("encode_frame")
    features = np.stack([encode(frame=clip[:, index])["features"][0] for index in range(8)])[None]
    assert features.shape[2:] == exported.sidecar.feature_shape
    pair = interpreter.get_signature_runner("distill_features")(frames=clip, features=features)
    whole = interpreter.get_signature_runner("distill")(frames=clip)
    np.testing.assert_allclose(pair["transformation_matrix"], whole["transformation_matrix"], atol=1e-5)
    assert np.abs(pair["distilled_frames"].astype(int) - whole["distilled_frames"]).max() <= 1


def test_int8_quantises_the_predictor_and_leaves_the_product_exact(exported):
    interpreter = _interpreter(exported, "client_int8.tflite")
    clip = exported.clips[:1]
    answer = interpreter.get_signature_runner("distill")(frames=clip)
    product = np.einsum("bthwc,btk->bkhwc", clip.astype("float32"), answer["transformation_matrix"])
    assert np.abs(product - answer["distilled_frames"]).max() <= 0.501
    np.testing.assert_allclose(answer["transformation_matrix"].sum(axis=1), 1, atol=1e-5)
    for operation in interpreter._get_ops_details():
        if operation["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            assert interpreter._get_tensor_details(operation["inputs"][1], 0)["dtype"] is np.int8


def test_builtin_operations_only(exported):
    names = {operation["op_name"] for operation in _interpreter(exported)._get_ops_details()}
    # LiteRT runs them on one thread, and never in int8.
    assert not names & {"CONV_3D", "CONV_3D_TRANSPOSE"}
    assert not {name for name in names if name.startswith("Flex") or name == "CUSTOM"}


def test_warmup_requests_are_the_clips_and_the_network_s_answers(exported):
    path = exported.folder / "cloud/1/assets.extra/tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(log).predict_log
        for log in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    names = [log.request.model_spec.signature_name for log in logs]
    assert names == ["serving_default"] * 3 + ["jpeg", "video"]
    reference = verification.Reference.of(exported.network, exported.clips)
    for log, frames, probabilities in zip(logs, reference.distilled_frames, reference.probabilities, strict=False):
        np.testing.assert_array_equal(tf.make_ndarray(log.request.inputs["frames"])[0], frames)
        np.testing.assert_allclose(tf.make_ndarray(log.response.outputs["probabilities"])[0], probabilities, atol=1e-5)
    (pictures,) = tf.make_ndarray(logs[3].request.inputs["frames_bytes"])
    np.testing.assert_array_equal([tf.io.decode_png(picture) for picture in pictures], reference.distilled_frames[0])


@pytest.mark.parametrize(
    "selector",
    [
        Consecutive(8, 4),
        Uniform(8, 4),
        Segments(8, 4),
        Random(8, 4),
        TemporalAttention(8, 4, coarse_size=32, coarse_width=0.25, coarse_features_layer="conv_pw_5_relu"),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_the_sampling_methods(tmp_path, selector):
    network = FewFrameNetwork(selector, InceptionI3D(3, width=0.03))
    selector.build((None, 8, 64, 64, 3))
    half = save_client(network, 64, tmp_path / "client")
    assert half.feature_shape is None
    contents = quantize_levels(tflite.convert(tmp_path / "client", ["distill"], "float32"))
    clip = np.random.default_rng(0).integers(0, 256, (1, 8, 64, 64, 3), "uint8")
    answer = verification.tflite_signatures(contents)["distill"](frames=clip)
    matrix = np.asarray(network.transformation_matrix(to_network_input(clip), training=False))
    np.testing.assert_array_equal(answer["transformation_matrix"], matrix)
    np.testing.assert_array_equal(answer["distilled_frames"][0], clip[0, matrix[0].argmax(axis=0)])


def test_bands_make_whole_frames():
    """At 256 pixels, eight frames are four bands."""
    selector = TSD(
        8, 4, coarse_size=32, coarse_width=0.25, coarse_features_layer="conv_pw_2_relu", initializer_stddev=0.5
    )
    network = FewFrameNetwork(selector, InceptionI3D(3, width=0.03))
    selector.build((None, 8, 256, 256, 3))
    clip = np.random.default_rng(0).integers(0, 256, (1, 8, 256, 256, 3), "uint8")
    answer = ClientHalf(network, 256).distill(tf.constant(clip))
    matrix = network.transformation_matrix(to_network_input(clip), training=False)
    np.testing.assert_allclose(answer["transformation_matrix"], matrix, atol=1e-5)
    product = np.einsum("bthwc,btk->bkhwc", clip.astype("float32"), answer["transformation_matrix"])
    assert np.abs(product - np.asarray(answer["distilled_frames"])).max() <= 0.501


def test_a_further_export_is_the_next_version(tmp_path):
    assert exporter.next_version(tmp_path) == 1
    for name in ("cloud/1", "cloud/9", "client/10", "cloud/.incoming", "cloud/notes"):
        (tmp_path / name).mkdir(parents=True)
    assert exporter.next_version(tmp_path) == 11


def test_an_export_that_differs_leaves_nothing(exported, tmp_path):
    strict = verification.Tolerances(cloud={"float32": -1.0})
    message = "the exported cloud, float32 by tensorflow, half is not the trained network: its probabilities differ"
    with pytest.raises(UserError, match=message):
        exporter.export(
            exported.network,
            exported.config,
            exported.labels,
            tmp_path,
            exported.clips[:1],
            exported.representative[:1],
            tolerances=strict,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_client_half_is_noticed(exported):
    reference = verification.Reference.of(exported.network, exported.clips[:1])
    limits = verification.TOLERANCES

    class Cloud:
        def call(self, signature, inputs):
            return {"logits": reference.logits, "probabilities": reference.probabilities}

    def check(distill=(None, 0), distill_features=(None, 0), features=0.0):
        """With `change` added to one output of a signature."""

        def answering(name, change):
            right = {
                "transformation_matrix": reference.transformation_matrices,
                "distilled_frames": reference.distilled_frames,
            }
            return right if name is None else {**right, name: right[name] + np.asarray(change, right[name].dtype)}

        found = iter(reference.features[0])
        client = {
            "distill": lambda frames: answering(*distill),
            "encode_frame": lambda frame: {"features": next(found)[None] + features},
            "distill_features": lambda frames, features: answering(*distill_features),
        }
        return verification.check_client("float32", reference, client, Cloud(), limits)

    assert check().top1_agreement == 1
    wrong = [("transformation_matrix", 0.01), ("distilled_frames", 2), ("transformation_matrix", np.nan)]
    for way in ("distill", "distill_features"):
        for name, change in wrong:
            with pytest.raises(UserError, match=f"client, float32 half is not the trained network: its {name} differ"):
                check(**{way: (name, change)})
    with pytest.raises(UserError, match="its features differ"):
        check(features=0.01 * np.abs(reference.features).max())


def test_a_wrong_signature_of_the_cloud_half_is_noticed(exported):
    reference = verification.Reference.of(exported.network, exported.clips)
    cloud = choice.open_engine(exported.folder / "cloud/1")

    class Wrong:
        name, precision = "tensorflow", "float32"

        def __init__(self, signature):
            self.signature = signature

        def call(self, signature, inputs):
            answer = cloud.call(signature, inputs)
            return (
                {key: np.roll(value, 1, axis=1) for key, value in answer.items()}
                if signature == self.signature
                else answer
            )

    assert verification.check_cloud(reference, cloud, 1e-3)["probabilities"] < 1e-4
    for signature in ("serving_default", "jpeg", "video"):
        with pytest.raises(UserError, match="its probabilities differ"):
            verification.check_cloud(reference, Wrong(signature), 1e-3)


def test_the_report_is_json_whatever_was_measured():
    found = {"float32": {"logits": 1e-6}, "bfloat16": {"logits": float("nan"), "bound": float("inf"), "clips": 8}}
    expected = {"float32": {"logits": 1e-6}, "bfloat16": {"logits": None, "bound": None, "clips": 8}}
    assert exporter._as_json(found) == expected


def test_a_precision_that_is_only_measured_may_answer_nan(exported):
    reference = verification.Reference.of(exported.network, exported.clips)
    cloud = choice.open_engine(exported.folder / "cloud/1")

    class NoNumbers:
        name, precision = "tensorflow", "bfloat16"

        def call(self, signature, inputs):
            answer = cloud.call(signature, inputs)
            return {**answer, "probabilities": np.full_like(answer["probabilities"], np.nan)}

    assert np.isnan(verification.check_cloud(reference, NoNumbers(), float("inf"))["probabilities"])
    with pytest.raises(UserError, match="its probabilities differ by nan"):
        verification.check_cloud(reference, NoNumbers(), 1.0)


@pytest.fixture(scope="module")
def brightening(exported):
    """(Reference of clips that begin dark, others for ranges): first frames say little of the features that follow."""
    rise = np.linspace(0.0, 1.0, 8).reshape(8, 1, 1, 1)
    others, _ = real_clips.representative_clips(exported.config, exported.config.data_dir, 12, 3)
    clips, others = (np.rint(each * rise).astype("uint8") for each in (exported.clips, others))
    return verification.Reference.of(exported.network, clips), others


def _check_int8(exported, reference, representative):
    keys = exported.sidecar.signatures
    contents = quantize_levels(tflite.convert(exported.folder / "client/1", keys, "int8", representative))
    client = verification.tflite_signatures(contents)
    cloud = choice.open_engine(exported.folder / "cloud/1")
    return verification.check_client("int8", reference, client, cloud, verification.TOLERANCES)


def test_int8_for_cameras_is_as_near_as_for_files(exported, brightening):
    found = _check_int8(exported, *brightening)
    assert found.features < 0.1
    assert found.ways < 0.01


def test_int8_that_is_calibrated_with_first_frames_is_refused(exported, brightening, monkeypatch):
    real = tf.lite.experimental.QuantizationDebugger

    def with_first_frames(converter, debug_dataset, debug_options):
        def first_frames():
            before = None
            for signature, inputs in debug_dataset():
                if (signature, before) != ("encode_frame", "encode_frame"):
                    yield signature, inputs
                before = signature

        converter.representative_dataset = first_frames
        return real(converter=converter, debug_dataset=first_frames, debug_options=debug_options)

    monkeypatch.setattr(tf.lite.experimental, "QuantizationDebugger", with_first_frames)
    message = "int8 half is not the trained network: its (features|ways) differ .*; `variants` without int8"
    with pytest.raises(UserError, match=message):
        _check_int8(exported, *brightening)


def test_labels_that_do_not_fit(exported, tmp_path):
    with pytest.raises(UserError, match="the run has 6 classes, its labels.txt names 1"):
        exporter.export(exported.network, exported.config, ["one"], tmp_path, exported.clips, exported.representative)


def test_a_network_of_whole_videos_is_not_exported(exported, tmp_path):
    config = dataclasses.replace(exported.config, frame_sampling="segments")
    with pytest.raises(UserError, match="takes frames of all of a video .frame_sampling=segments.* evaluate.py"):
        exporter.export(exported.network, config, exported.labels, tmp_path, exported.clips, exported.representative)
    assert not list(tmp_path.iterdir())


def test_int8_is_checked_on_clips_that_it_was_not_calibrated_with(exported):
    assert exported.calibration == f"{exported.config.data_dir} (train)"
    assert exported.report["num_representative_clips"] == len(exported.representative) == 3
    assert exported.report["tolerances"]["int8"]["features"] == 0.25
    assert exported.report["tolerances"]["cloud"]["float32"] == 1e-3
