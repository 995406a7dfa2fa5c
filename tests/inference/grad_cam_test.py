"""Grad-CAM against what it is by its definition."""

import cv2
import keras
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.inference.grad_cam import grad_cam
from tsd_tf.main_networks import C3D, TSN, ARTNetResNet18, InceptionI3D, ResNet3D18


def frames_of(num_frames, size=32):
    return np.random.default_rng(0).uniform(-1, 1, (num_frames, size, size, 3)).astype("float32")


def test_by_hand_of_a_network_with_two_features():
    """Features are the frames' red and green at half size; the logit is a sum of them with known weights."""
    inputs = keras.Input((2, 4, 4, 3))
    features = keras.layers.AveragePooling3D((1, 2, 2))(inputs)
    weights = np.zeros((2, 2, 2, 3, 1), "float32")
    weights[..., 0, 0] = 3.0
    weights[0, ..., 1, 0] = -4.0  # of half of the places: the mean is -2
    outputs = keras.layers.Dense(1, use_bias=False)(keras.layers.Flatten()(features))
    model = keras.Model(inputs, outputs)
    model.set_weights([weights.reshape(-1, 1)])
    frames = np.random.default_rng(1).uniform(-1, 1, (2, 4, 4, 3)).astype("float32")
    pooled = frames.reshape(2, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    expected = np.maximum(3 * pooled[..., 0] - 2 * pooled[..., 1], 0)
    assert (expected > 0).any()
    assert (expected == 0).any()
    enlarged = np.stack([cv2.resize(one, (4, 4), interpolation=cv2.INTER_LINEAR) for one in expected])
    np.testing.assert_allclose(grad_cam(model, frames, 0), enlarged / enlarged.max(), atol=1e-6)


def test_time_is_enlarged_linearly_between_the_middles_of_the_steps():
    """Of four frames two steps are left; the first has 1, the second 3: their middles are at 0.5 and 2.5."""
    inputs = keras.Input((4, 1, 1, 3))
    features = keras.layers.AveragePooling3D((2, 1, 1))(inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.GlobalAveragePooling3D()(features)))
    frames = np.repeat(np.array([1.0, 3.0], "float32"), 2)[:, None, None, None] * np.array([1.0, 0, 0], "float32")
    np.testing.assert_allclose(grad_cam(model, frames, 0)[:, 0, 0], np.array([1, 1.5, 2.5, 3]) / 3, atol=1e-6)


def test_own_networks_by_differences():
    """The mean over the places of the gradient by a channel is the change of the logit when the channel rises."""
    network, label = InceptionI3D(3, width=0.06), 1
    frames = frames_of(16, size=64)
    network.build((None, *frames.shape))
    features = np.asarray(network.features(frames[None]))
    assert features.shape[1:4] == (2, 2, 2)
    before = np.asarray(network.head(features))[0, label]
    rises = np.eye(features.shape[-1], dtype="float32")
    weights = [np.asarray(network.head(features + rise))[0, label] - before for rise in rises]  # the head is linear
    heat = np.maximum(features[0] @ np.array(weights), 0)
    assert heat.max() > 0
    spatial = np.stack([cv2.resize(one, (64, 64), interpolation=cv2.INTER_LINEAR) for one in heat])
    # The first and the last frame lie beyond the middles of the two steps: they show these alone.
    np.testing.assert_allclose(grad_cam(network, frames, label)[[0, -1]], spatial / spatial.max(), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "num_frames"), [(InceptionI3D, 5), (TSN, 3), (ARTNetResNet18, 5), (C3D, 16), (ResNet3D18, 4)]
)
def test_every_network_has_a_map_of_every_frame(network, num_frames):
    main_network = network(5, width=0.04)
    frames = frames_of(num_frames, size=64)  # the last features are of 2 x 2
    main_network.build((None, *frames.shape))
    logits = np.asarray(main_network(frames[None], training=False))
    features = main_network.features(frames[None], training=False)
    assert len(features.shape) == 5
    np.testing.assert_allclose(np.asarray(main_network.head(features, training=False)), logits, atol=1e-5)
    maps = np.stack([grad_cam(main_network, frames, label) for label in range(5)])
    assert maps.shape == (5, *frames.shape[:3])
    # A class for which nothing speaks has a map of zeros.
    assert maps.max() == pytest.approx(1.0)
    assert maps.min() >= 0
    assert np.ptp(maps, axis=0).max() > 0.01


def test_networks_whose_features_cannot_be_found_are_refused():
    class Own(keras.Model):
        def call(self, frames):
            return frames[:, 0, 0, 0, :2]

    with pytest.raises(UserError, match=r"needs a functional or Sequential Keras model .* Received: Own"):
        grad_cam(Own(), frames_of(2), 0)


def test_a_model_explains_any_of_its_classes(model, frames):
    prediction = model.predict(frames, clips=2)
    heat = model.grad_cam(prediction)
    assert heat.shape == (2, 4, 24, 24)
    np.testing.assert_allclose(heat, model.grad_cam(prediction, prediction.label), atol=1e-5)
    others = [model.grad_cam(prediction, label) for label in prediction.classes[1:]]
    assert all(np.abs(heat - other).max() > 0.01 for other in others)
    with pytest.raises(UserError, match="`label` must be one of the 3 classes of the model. Received: walk"):
        model.grad_cam(prediction, "walk")


def test_on_other_backends_it_says_so(model, frames, monkeypatch):
    prediction = model.predict(frames)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="`grad_cam` needs the Keras backend tensorflow, and jax is chosen"):
        model.grad_cam(prediction)
