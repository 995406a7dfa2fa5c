import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.selectors import TemporalAttention

COARSE = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_1_relu"}


@pytest.fixture(scope="module")
def selector():
    selector = TemporalAttention(6, 3, **COARSE)
    selector.build((None, 6, 40, 40, 3))
    return selector


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).uniform(-1, 1, (4, 6, 40, 40, 3)).astype("float32")


def test_importance_is_a_distribution_over_the_frames(selector, frames):
    importance = ops.convert_to_numpy(selector.importance(frames))
    np.testing.assert_allclose(importance.sum(axis=1), 1.0, atol=1e-6)
    features = ops.convert_to_numpy(selector.encode_clips(frames)).mean(axis=(2, 3))
    scores = features @ ops.convert_to_numpy(selector.score.kernel)[:, 0]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(importance, expected, rtol=1e-4)


def test_training_scales_all_frames(selector, frames):
    matrix = ops.convert_to_numpy(selector(frames, training=True))
    assert matrix.shape == (4, 6, 6)
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)
    assert np.count_nonzero(matrix) == np.count_nonzero(diagonal) == 4 * 6
    np.testing.assert_allclose(diagonal.sum(axis=1), 6.0, rtol=1e-5)  # T a_i: the mean scale is 1.


def test_test_picks_the_best_frames_in_time_order(selector, frames):
    importance = ops.convert_to_numpy(selector.importance(frames))
    matrix = ops.convert_to_numpy(selector(frames, training=False))
    assert matrix.shape == selector.compute_output_shape(frames.shape) == (4, 6, 3)
    expected = [sorted(np.argsort(-clip)[:3].tolist()) for clip in importance]
    assert matrix.argmax(axis=1).tolist() == expected
    assert sorted(np.unique(matrix)) == [0.0, 1.0]


def test_gradients_reach_the_score_and_the_coarse_extractor(selector, frames, gradients):
    target = np.random.default_rng(1).standard_normal((4, 6, 6)).astype("float32")
    found = gradients(selector, lambda matrix: ops.sum(ops.multiply(matrix, target)), frames, training=True)
    for part in ("score/kernel", "conv1/kernel"):
        (gradient,) = [gradient for path, gradient in found.items() if path.endswith(part)]
        assert np.abs(gradient).max() > 0


def test_round_trip(selector):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(selector))
    assert again.get_config() == selector.get_config()
