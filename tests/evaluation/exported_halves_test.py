import functools
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import protocol
from tsd_tf.evaluation.exported_halves import ExportedHalves
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.evaluation.transmission_meter import TransmissionMeter
from tsd_tf.export.verification import TOLERANCES
from tsd_tf.video import codec as codecs

pytestmark = pytest.mark.slow

# Largest difference of a probability from the Keras network's, its frames rounded and coded alike. Measured: 0.0002 of
# raw frames, 0.004 and 0.024 with the files of fewer bits, which keep to what their export allows. A pixel that differs
# by a level may move a coefficient of JPEG.
TOLERANCE = {
    ("float32", "raw", None): 2e-3,
    ("float32", "png", None): 2e-3,
    ("float32", "jpeg", 90): 2e-2,
    ("float16", "raw", None): TOLERANCES.float16.probabilities,
    ("int8", "raw", None): TOLERANCES.int8.probabilities,
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
        pictures = [codecs.encode_picture(frame, "jpeg", quality) for frame in frames]
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
    halves = ExportedHalves(exported.folder, variant, codec, quality)
    assert halves.labels == exported.labels
    with TransmissionMeter([90]) as meter:
        found = protocol.collect(halves, clips_of(exported), meter)
        first_clips = meter.means()
    expected = of_network(quality)
    assert found.media_ids == expected.media_ids
    assert found.probabilities.shape == (6, 2, 6)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE[variant, codec, quality])
    # The test would pass a network that answers the same to every clip otherwise.
    assert np.ptp(expected.probabilities, axis=0).max() > 0.1
    raw = 4 * 64 * 64 * 3
    if codec == "raw":
        assert halves.mean_bytes_sent == first_clips["raw"] == pytest.approx(raw, abs=150)
    else:
        assert 0 < halves.mean_bytes_sent < raw
    if codec == "jpeg":
        assert halves.mean_bytes_sent == pytest.approx(first_clips["jpeg_90"], rel=0.2)


def test_frames_that_travel_as_a_video(exported, of_network):
    """At the best quality the answers stay; the frames are put back into the network's order."""
    halves = ExportedHalves(exported.folder, "float32", "h264", 0)
    found = protocol.collect(halves, clips_of(exported))
    np.testing.assert_allclose(found.probabilities, of_network(None).probabilities, atol=0.1)
    small = ExportedHalves(exported.folder, "float32", "vp9", None)
    protocol.collect(small, clips_of(exported))
    assert 0 < small.mean_bytes_sent < halves.mean_bytes_sent


def test_jpeg_moves_the_answers_little(of_network):
    difference = np.abs(of_network(90).probabilities - of_network(None).probabilities)
    assert 0 < difference.mean() < 0.05


def test_files_that_are_missing_are_named(exported, tmp_path):
    with pytest.raises(UserError, match="client.tflite"):
        ExportedHalves(tmp_path, "float32", "raw", None)
    for name in ("client.tflite", "client.json", "labels.txt"):
        shutil.copy(exported.folder / name, tmp_path)
    with pytest.raises(UserError, match="looked for version 1 of the client half"):
        ExportedHalves(tmp_path, "float32", "raw", None)
