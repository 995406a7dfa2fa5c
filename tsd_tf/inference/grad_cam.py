"""Grad-CAM (Selvaraju et al., ICCV 2017) of a main network: where in its frames a score comes from."""

from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf

from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks.interface import is_own


def grad_cam(main_network: keras.layers.Layer, frames: np.ndarray, label: int) -> np.ndarray:
    """The heat map of one clip.

    The channels of the last features are weighed with the mean gradient of the score by them and added up; what is
    negative speaks for other classes and becomes 0.

    Args:
        main_network: one of this package's, or a functional Keras model of a user's own.
        frames: distilled frames, float32 (T_s, height, width, 3) in [-1, 1].
        label: the class whose logit is explained.

    Returns:
        float32 (T_s, height, width), its largest value 1; all 0 where nothing speaks for the class. The features' map
        is enlarged linearly in time and space.

    Raises:
        UserError: the last features of a network of the user's own cannot be found.
    """
    features_and_logits = _with_features(main_network)
    clip = tf.constant(frames[None])
    with tf.GradientTape() as tape:
        tape.watch(clip)
        features, logits = features_and_logits(clip)
        score = tf.cast(logits, tf.float32)[0, label]
    gradient = tape.gradient(score, features)
    weights = tf.reduce_mean(gradient, axis=(1, 2, 3), keepdims=True)
    heat = _enlarged(tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))[0].numpy(), frames.shape[:3])
    largest = heat.max()
    return heat / largest if largest > 0 else heat


def _with_features(main_network: keras.layers.Layer) -> Callable[[Any], tuple[Any, Any]]:
    """Frames -> (last features with a place in time and space, logits)."""
    if is_own(main_network):

        def run(frames: Any) -> tuple[Any, Any]:
            features = main_network.features(frames, training=False)
            return features, main_network.head(features, training=False)

        return run
    try:
        last = [layer for layer in main_network.layers if len(layer.output.shape) == 5][-1]
        model = keras.Model(main_network.inputs, [last.output, main_network.output])
    except (AttributeError, ValueError, IndexError) as error:
        raise UserError(
            "Grad-CAM of a main network of your own needs a functional or Sequential Keras model with a layer whose "
            f"output is of shape (batch, time, height, width, channels). Received: {type(main_network).__name__}"
        ) from error
    return lambda frames: tuple(model(frames, training=False))


def _enlarged(heat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(time, height, width) at another shape, by linear interpolation between the middles of its cells."""
    steps, height, width = shape
    spatial = np.stack([cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR) for picture in heat])
    places = (np.arange(steps) + 0.5) * len(heat) / steps - 0.5
    shares = np.stack([np.interp(places, np.arange(len(heat)), row) for row in np.eye(len(heat))])
    return np.einsum("ts,thw->shw", shares, spatial).astype(np.float32)
