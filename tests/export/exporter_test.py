import hashlib
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.export import exporter, tflite, verification
from tsd_tf.export.client_half import ClientHalf
from tsd_tf.export.level_quantization import quantize_levels
from tsd_tf.export.saved_model import save_client
from tsd_tf.main_networks import InceptionI3D
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD, Consecutive, Random, TemporalAttention, Uniform

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
    report = json.loads((exported.folder / "report.json").read_text())
    assert report == exported.report
    assert report["cloud"]["probabilities"] < 1e-4
    assert report["cloud"]["top1_agreement"] == 1
    assert set(report["client"]) == {"saved_model", "float32", "float16", "int8"}
    assert all(0 <= values["logits"] < 10 for values in report["client"].values())


@pytest.mark.parametrize("name", ["client.tflite", "client_float16.tflite", "client_int8.tflite"])
def test_distill_is_the_network(exported, name):
    distill = _interpreter(exported, name).get_signature_runner("distill")
    matrices = []
    for clip in exported.clips:
        inputs = to_network_input(clip[None])
        matrix = np.asarray(exported.network.transformation_matrix(inputs, training=False))
        frames = np.asarray(to_uint8(exported.network.client(inputs, training=False)))
        answer = distill(frames=clip[None])
        variant = name.removesuffix(".tflite").removeprefix("client_").replace("client", "float32")
        limits = getattr(verification.TOLERANCES, variant)
        np.testing.assert_allclose(answer["transformation_matrix"], matrix, atol=limits.transformation_matrix)
        assert np.abs(answer["distilled_frames"].astype(int) - frames).max() <= limits.distilled_frames
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


def test_warmup_requests_are_served_signatures(exported):
    path = exported.folder / "cloud/1/assets.extra/tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(log)
        for log in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    names = [log.predict_log.request.model_spec.signature_name for log in logs]
    assert names == ["serving_default", "jpeg", "video"]


@pytest.mark.parametrize(
    "selector",
    [
        Consecutive(8, 4),
        Uniform(8, 4),
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
    answer = verification.tflite_distill(contents)(frames=clip)
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
    strict = verification.Tolerances(cloud=-1.0)
    with pytest.raises(UserError, match="the exported cloud half is not the trained network: its probabilities differ"):
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


def test_a_wrong_distiller_is_noticed(exported):
    reference = verification.Reference.of(exported.network, exported.clips[:1])
    limits = verification.TOLERANCES
    right = {"transformation_matrix": reference.transformation_matrices, "distilled_frames": reference.distilled_frames}

    def classify(frames):
        return {"logits": reference.logits, "probabilities": reference.probabilities}

    assert verification.check_client("float32", reference, lambda frames: right, classify, limits).top1_agreement == 1
    for name, change in (("transformation_matrix", 0.01), ("distilled_frames", 2), ("transformation_matrix", np.nan)):
        wrong = {**right, name: right[name] + np.asarray(change, right[name].dtype)}
        with pytest.raises(UserError, match=f"client, float32 half is not the trained network: its {name}"):
            verification.check_client("float32", reference, lambda frames, wrong=wrong: wrong, classify, limits)


def test_labels_that_do_not_fit(exported, tmp_path):
    with pytest.raises(UserError, match="the run has 6 classes, its labels.txt names 1"):
        exporter.export(exported.network, exported.config, ["one"], tmp_path, exported.clips, exported.representative)


def test_clips_are_noise_without_shards(tiny_config, tmp_path):
    clips, source = exporter.clips_to_check(tiny_config(), tmp_path, 2)
    assert clips.shape == (2, 8, 64, 64, 3)
    assert "no shards" in source
    again, _ = exporter.clips_to_check(tiny_config(), tmp_path, 2)
    np.testing.assert_array_equal(clips, again)
    others, source = exporter.representative_clips(tiny_config(), tmp_path, 2)
    assert "no shards" in source
    assert not _common(clips, others)


def _common(clips, others):
    return {clip.tobytes() for clip in clips} & {clip.tobytes() for clip in others}


def test_damaged_videos_are_passed_over(tiny_config, sample_shards, damage_record, tmp_path, capsys):
    shutil.copytree(sample_shards, tmp_path, dirs_exist_ok=True)
    for shard in tmp_path.glob("train-*"):
        shard.unlink()
    config = tiny_config()
    whole, _ = exporter.clips_to_check(config, tmp_path, 6)
    name = damage_record(tmp_path, "test", index=1)  # the third that is read: the shards take turns
    clips, _ = exporter.clips_to_check(config, tmp_path, 3)
    np.testing.assert_array_equal(clips, whole[[0, 1, 3]])
    assert f"damaged, left out: {name}" in capsys.readouterr().err
    # The videos behind the fourth: none is in both.
    assert len(exporter.representative_clips(config, tmp_path, 3)[0]) == 2


def test_int8_is_checked_on_clips_that_it_was_not_calibrated_with(exported, tiny_config, tmp_path):
    assert exported.calibration == f"{exported.config.data_dir} (train)"
    assert not _common(exported.clips, exported.representative)
    assert exported.report["num_representative_clips"] == len(exported.representative) == 3
    assert exported.report["tolerances"]["int8"]["transformation_matrix"] == 0.25
    # Without training shards they are other videos of the test shards.
    for shard in pathlib.Path(exported.config.data_dir).iterdir():
        if not shard.name.startswith("train-"):
            (tmp_path / shard.name).symlink_to(shard)
    clips, _ = exporter.clips_to_check(tiny_config(), tmp_path, 3)
    others, source = exporter.representative_clips(tiny_config(), tmp_path, 3)
    assert source == f"{tmp_path} (test)"
    assert len(others) == 3
    assert not _common(clips, others)
