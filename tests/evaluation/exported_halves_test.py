import functools
import shutil

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.client.distiller import Distiller
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import protocol
from tsd_tf.evaluation.coding import Coding, compared
from tsd_tf.evaluation.exported_halves import ExportedHalves
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.evaluation.transmission_meter import TransmissionMeter
from tsd_tf.export.verification import TOLERANCES
from tsd_tf.network_builder import build_network
from tsd_tf.video import picture_files
from tsd_tf.video.clip_coding import VIDEO_CODECS

pytestmark = pytest.mark.slow

# Largest difference of a probability from the Keras network's, its frames rounded and coded alike. Measured: 0.0002 of
# raw frames, 0.004 and 0.024 with the files of fewer bits, which keep to what their export allows. A pixel that differs
# by a level may move a coefficient of JPEG.
TOLERANCE = {
    ("float32", "raw", None): 2e-3,
    ("float32", "png", None): 2e-3,
    ("float32", "jpeg", 90): 2e-2,
    ("float16", "raw", None): TOLERANCES.float16.probabilities,
    ("int8", "raw", None): 0.1,
}


def clips_of(exported):
    shards = find_shards(exported.config.data_dir, "test")
    return EvaluationClips(Records(shards), ClipSpec(8, 64, 6), num_clips=2, batch_size=4, seed=0)


@pytest.fixture(scope="module")
def of_network(exported):
    """A function of the JPEG quality, or None: Predictions of the Keras network on frames as they travel."""
    classify = NetworkClassifier(exported.network)

    def travelled(frames, quality):
        if quality is None:
            return frames
        pictures = [picture_files.encode(frame, "jpeg", quality) for frame in frames]
        return np.stack([tf.io.decode_jpeg(picture, channels=3).numpy() for picture in pictures])

    @functools.cache
    def predictions(quality):
        def answer(frames, seeds):
            distilled = classify(frames, seeds)[1]
            received = np.stack([travelled(clip, quality) for clip in distilled])
            return keras.ops.softmax(exported.network.cloud(to_network_input(received))).numpy(), distilled

        return protocol.collect(answer, clips_of(exported))

    return predictions


@pytest.mark.parametrize(("variant", "codec", "quality"), TOLERANCE)
def test_the_halves_agree_with_the_network(exported, of_network, variant, codec, quality):
    coding = Coding(codec, quality)
    halves = ExportedHalves(exported.folder, variant, [coding])
    assert halves.labels == exported.labels
    with TransmissionMeter([90]) as meter:
        found = protocol.collect(halves, clips_of(exported), meter).of_coding(0)
        first_clips = meter.means()
    expected = of_network(quality)
    assert found.media_ids == expected.media_ids
    assert found.probabilities.shape == (6, 2, 6)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE[variant, codec, quality])
    # The test would pass a network that answers the same to every clip otherwise.
    assert np.ptp(expected.probabilities, axis=0).max() > 0.1
    raw = 4 * 64 * 64 * 3
    if codec == "raw":
        assert halves.mean_bytes(coding) == first_clips["raw"] == pytest.approx(raw, abs=150)
    else:
        assert 0 < halves.mean_bytes(coding) < raw
    if codec == "jpeg":
        assert halves.mean_bytes(coding) == pytest.approx(first_clips["jpeg_90"], rel=0.2)


def test_frames_that_travel_as_a_video(exported, of_network):
    """At the best quality the answers stay; the frames are put back into the network's order."""
    best, small = Coding("h264", 0), Coding("vp9", 34)
    halves = ExportedHalves(exported.folder, "float32", [best, small])
    found = protocol.collect(halves, clips_of(exported)).of_coding(0)
    np.testing.assert_allclose(found.probabilities, of_network(None).probabilities, atol=0.1)
    assert 0 < halves.mean_bytes(small) < halves.mean_bytes(best)


@pytest.fixture(scope="module")
def uniform_network(tiny_config):
    """I3D_E beside the exported I3D+TSD."""
    keras.utils.set_random_seed(1)
    return build_network(tiny_config(method="i3d_e", num_distilled_frames=4))


def test_every_coding_has_its_own_answer_and_its_own_bytes(exported, uniform_network):
    """Against the parts, one by one: the client's distiller, the codec, the SavedModel, Keras networks."""
    codings = compared([Coding("jpeg", 60), Coding("webp", 40), Coding("png", None)], whole_clip=True, uniform=True)
    halves = ExportedHalves(exported.folder, "float32", codings, uniform_network)
    (clips, seeds), *rest = [(batch["frames"][:, 0], batch["seed"][:, 0]) for batch in clips_of(exported)]
    answers, distilled = halves(clips, seeds)
    assert answers.shape == (4, len(codings), 6)

    distiller = Distiller(exported.folder / "client.tflite")
    cloud = tf.saved_model.load(str(exported.folder / "cloud/1")).signatures

    def distil(frames):
        return np.stack([distiller.distill(clip)[0] for clip in frames])

    def of_cloud(frames):
        return cloud["serving_default"](frames=tf.constant(frames))["probabilities"].numpy()

    def of_pictures(clips):
        return cloud["jpeg"](frames_bytes=tf.constant(clips))["probabilities"].numpy()

    def of_uniform(frames):
        return keras.ops.softmax(uniform_network.cloud(to_network_input(frames))).numpy()

    def pictures(frames, coding):
        return [[picture_files.encode(frame, coding.codec, coding.quality) for frame in clip] for clip in frames]

    def decoded(clips):
        return np.stack([[cv2.imdecode(np.frombuffer(one, "uint8"), 1)[..., ::-1] for one in clip] for clip in clips])

    whole = clips.numpy()
    np.testing.assert_array_equal(distilled, distil(whole))
    sent = {"distilled": distilled, "whole_clip": whole, "whole_clip_uniform": whole, "uniform": whole[:, ::2]}
    seen = {"whole_clip": distil, "whole_clip_uniform": lambda frames: frames[:, ::2]}
    for coding, answer in zip(codings, answers.swapaxes(0, 1), strict=True):
        frames = sent[coding.what]
        num_bytes = [coding.encode(clip, None).num_bytes for clip in frames]
        assert halves.mean_bytes(coding) == np.mean(num_bytes)
        if coding.codec == "raw":
            expected = of_cloud(distilled)
        elif coding.what == "distilled" and coding.codec != "webp":
            expected = of_pictures(pictures(frames, coding))
        else:
            received = seen.get(coding.what, lambda frames: frames)(decoded(pictures(frames, coding)))
            expected = of_uniform(received) if "uniform" in coding.what else of_cloud(received)
        np.testing.assert_allclose(answer, expected, atol=1e-5, err_msg=str(coding))
    by_coding = dict(zip(codings, answers.swapaxes(0, 1), strict=True))
    # PNG loses nothing, wherever the clip is distilled.
    for lossless in (Coding("png", None), Coding("png", None, "whole_clip")):
        np.testing.assert_allclose(by_coding[lossless], by_coding[Coding("raw", None)], atol=1e-5)
    of_whole_network = NetworkClassifier(uniform_network)(clips, seeds)[0]
    for lossless in (Coding("png", None, "uniform"), Coding("png", None, "whole_clip_uniform")):
        np.testing.assert_allclose(by_coding[lossless], of_whole_network, atol=1e-5)
    # No two of the ways would do for each other.
    assert np.abs(by_coding[Coding("jpeg", 60)] - by_coding[Coding("raw", None)]).max() > 1e-4
    assert np.abs(by_coding[Coding("jpeg", 60, "uniform")] - of_whole_network).max() > 1e-4
    # Means are over all clips, in a smaller batch as well.
    (last, *_), batch = rest[0], halves(*rest[0])[0]
    assert batch.shape == (2, len(codings), 6)
    sizes = [codings[0].encode(clip, None).num_bytes for clip in np.concatenate([distilled, distil(last.numpy())])]
    assert halves.mean_bytes(codings[0]) == np.mean(sizes)


@pytest.mark.parametrize("name", VIDEO_CODECS)
def test_whole_clips_as_videos(exported, name):
    """What comes back is in time order, whatever the order of distilled frames; at the best quality answers stay."""
    codings = compared([Coding(name, 0)], whole_clip=True)
    halves = ExportedHalves(exported.folder, "float32", codings)
    found = protocol.collect(halves, clips_of(exported))
    raw, whole = (found.of_coding(codings.index(one)).probabilities for one in (Coding("raw", None), codings[-1]))
    np.testing.assert_allclose(whole, raw, atol=0.1)
    assert halves.mean_bytes(codings[-1]) > halves.mean_bytes(codings[0])


def test_jpeg_moves_the_answers_little(of_network):
    difference = np.abs(of_network(90).probabilities - of_network(None).probabilities)
    assert 0 < difference.mean() < 0.05


def test_files_that_are_missing_are_named(exported, tmp_path):
    with pytest.raises(UserError, match="client.tflite"):
        ExportedHalves(tmp_path, "float32", [Coding("raw", None)])
    for name in ("client.tflite", "client.json", "labels.txt"):
        shutil.copy(exported.folder / name, tmp_path)
    with pytest.raises(UserError, match="looked for version 1 of the client half"):
        ExportedHalves(tmp_path, "float32", [Coding("raw", None)])
