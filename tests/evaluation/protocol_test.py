import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import protocol
from tsd_tf.network_builder import build_network

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["tsd", "i3d_r"])
def test_every_video_is_predicted_once_whatever_the_batch(tiny_config, sample_shards, method):
    config = tiny_config(method=method, main_network="resnet3d_18")
    network = build_network(config)
    shards = find_shards(sample_shards, "test")

    def predict(batch_size):
        clips = EvaluationClips(Records(shards), ClipSpec(8, 64, 6), num_clips=3, batch_size=batch_size, seed=0)
        return protocol.predict(network, clips)

    found, other = predict(4), predict(6)
    assert len(set(found.media_ids)) == 6
    assert found.media_ids == other.media_ids
    assert sorted(found.labels) == [0, 1, 2, 3, 4, 5]
    assert found.probabilities.shape == (6, 3, 6)
    np.testing.assert_allclose(found.probabilities, other.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1.0, atol=1e-5)


def test_probabilities_are_the_networks_softmax_clip_by_clip(tiny_config):
    network = build_network(tiny_config(main_network="resnet3d_18"))
    frames = tf.constant(np.random.default_rng(0).integers(0, 256, (1, 2, 8, 64, 64, 3)), tf.uint8)
    batch = {
        "frames": frames,
        "label": tf.constant([3]),
        "media_id": tf.constant([b"video"]),
        "seed": tf.zeros((1, 2, 2), tf.int32),
    }
    found = protocol.predict(network, [batch])
    for clip in range(2):
        logits = np.asarray(network(to_network_input(frames[:, clip])))[0]
        expected = np.exp(logits - logits.max())
        np.testing.assert_allclose(found.probabilities[0, clip], expected / expected.sum(), atol=1e-5)


def test_the_summary_averages_probabilities_over_clips_before_it_counts():
    # Two of three clips vote for class 1, but their average is class 0.
    probabilities = np.array([[[0.9, 0.1], [0.45, 0.55], [0.45, 0.55]]])
    predictions = protocol.Predictions(["video"], np.array([0]), probabilities)
    assert predictions.summary(3)["top1"] == 1.0
    assert predictions.summary(1)["clips"] == 1
    late = protocol.Predictions(["video"], np.array([1]), probabilities[:, ::-1])
    assert late.summary(1)["top1"] == 1.0
    assert late.summary(3)["top1"] == 0.0


def test_a_clip_s_probabilities_are_the_mean_over_its_crops_and_their_mirrors():
    seen = []

    def classify(frames, seeds):
        """A probability that only the upper left pixel tells."""
        seen.append((frames.numpy()[:, 0, 0, :, 0].tolist(), seeds.numpy().tolist()))
        share = tf.cast(frames[:, 0, 0, 0, 0], tf.float32).numpy() / 100
        return np.stack([share, 1 - share], axis=1), frames.numpy()

    class Meter:
        clips = []

        def add(self, clips):
            self.clips.append(clips[:, 0, 0, :, 0].tolist())

    # Two videos of two clips of two crops, a frame of one row and two pixels each.
    pixels = np.arange(16, dtype=np.uint8).reshape(2, 4, 1, 1, 2, 1)
    batch = {
        "frames": tf.constant(np.repeat(pixels, 3, axis=-1)),
        "label": tf.constant([0, 1]),
        "media_id": tf.constant([b"a", b"b"]),
        "seed": tf.constant([[[1, 1], [2, 2]], [[3, 3], [4, 4]]]),
    }
    meter = Meter()
    found = protocol.collect(classify, [batch], meter, with_mirrors=True)
    assert seen[:3] == [
        ([[0, 1], [8, 9]], [[1, 1], [3, 3]]),
        ([[1, 0], [9, 8]], [[1, 1], [3, 3]]),
        ([[2, 3], [10, 11]], [[1, 1], [3, 3]]),
    ]
    assert len(seen) == 8
    assert seen[-1] == ([[7, 6], [15, 14]], [[2, 2], [4, 4]])
    assert meter.clips == [[[0, 1], [8, 9]]]
    np.testing.assert_allclose(found.probabilities[:, :, 0], [[0.015, 0.055], [0.095, 0.135]], rtol=1e-6)
    assert found.averaged(2).shape == (2, 2)
