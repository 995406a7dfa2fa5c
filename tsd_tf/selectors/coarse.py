"""What the learned selectors share: a MobileNet that sees a small copy of every frame."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from tsd_tf.selectors.selector import Selector


@contextlib.contextmanager
def default_dtype(policy: str | keras.DTypePolicy) -> Iterator[None]:
    """A context in which layers that are given no dtype policy take this one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def mobilenet(
    input_size: int,
    width: float = 1.0,
    features_layer: str | None = None,
    batch_norm_momentum: float = 0.99,
    dtype: str | keras.DTypePolicy | None = None,
) -> keras.Model:
    """The coarse extractor (Section 3.2.3): Keras' MobileNet without its top, its weights random.

    Args:
        input_size: edge of its square input; 112 in the paper gives 3 x 3 x 1024 features at width 1.
        width: MobileNet's alpha.
        features_layer: name of the MobileNet layer whose output is the feature map; None for the last one.
        batch_norm_momentum: 0.99 is Keras'; short trainings on small data want less.
        dtype: Keras' dtype policy; None for the default one.

    Returns:
        keras.Model, (batch, input_size, input_size, 3) in [-1, 1] -> (batch, height, width, channels).
    """
    with default_dtype(dtype or keras.config.dtype_policy()):  # Keras' MobileNet takes it from nowhere else.
        model = keras.applications.MobileNet(
            input_shape=(input_size, input_size, 3), alpha=width, include_top=False, weights=None
        )
        if features_layer is not None:
            names = [layer.name for layer in model.layers]
            if features_layer not in names:
                raise ValueError(
                    f"`features_layer` must name a layer of MobileNet. Expected one of {names}. "
                    f"Received: features_layer={features_layer!r}"
                )
            model = keras.Model(model.input, model.get_layer(features_layer).output)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
    return model


class CoarseSelector(Selector):
    """Base of the learned selectors that see the clip through a coarse extractor, and in no other way.

    Args:
        num_frames, num_distilled_frames: T and T_s.
        coarse_size: edge of the square copy that the coarse extractor sees; 112 in Section 3.2.3.
        coarse_width, coarse_features_layer, coarse_batch_norm_momentum: see `mobilenet`.
        coarse_stride: the coarse extractor sees the first frame and every coarse_stride-th after it. Features of the
            frames between are interpolated, and those after the last one seen are its own. 1 in the paper; 2 halves the
            extractor's work.

    Attributes:
        interpolation: float32 (T, frames seen), None for a stride of 1: row t holds the shares that the features of the
            frames seen have in those of frame t.
    """

    is_learned = True
    is_coarse = True

    def __init__(
        self,
        num_frames: int,
        num_distilled_frames: int,
        coarse_size: int = 112,
        coarse_width: float = 1.0,
        coarse_features_layer: str | None = None,
        coarse_batch_norm_momentum: float = 0.99,
        coarse_stride: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        if coarse_stride < 1:
            raise ValueError(f"`coarse_stride` must be at least 1. Received: coarse_stride={coarse_stride}")
        self.coarse_stride = coarse_stride
        self.interpolation = _interpolation(num_frames, coarse_stride) if coarse_stride > 1 else None
        self.coarse_size = coarse_size
        self.coarse_width = coarse_width
        self.coarse_features_layer = coarse_features_layer
        self.coarse_batch_norm_momentum = coarse_batch_norm_momentum
        self.coarse_extractor = mobilenet(
            coarse_size, coarse_width, coarse_features_layer, coarse_batch_norm_momentum, dtype=self.dtype_policy
        )

    def encode_frames(self, frames: Any, training: bool | None = None) -> Any:
        """Coarse features of single frames: (n, height, width, 3) -> (n, h, w, c). Frames do not see each other."""
        if tuple(frames.shape[1:3]) != (self.coarse_size, self.coarse_size):
            frames = ops.image.resize(frames, (self.coarse_size, self.coarse_size), interpolation="bilinear")
        return self.coarse_extractor(frames, training=training)

    def encode_clips(self, frames: Any, training: bool | None = None) -> Any:
        """Coarse features of all frames of clips: (batch, T, height, width, 3) -> (batch, T, h, w, c)."""
        seen = frames[:, :: self.coarse_stride]
        features = self.encode_frames(ops.reshape(seen, (-1, *frames.shape[2:])), training=training)
        shape = features.shape[1:]
        if self.interpolation is None:
            return ops.reshape(features, (-1, self.num_frames, *shape))
        features = ops.reshape(features, (-1, self.interpolation.shape[1], math.prod(shape)))
        features = ops.matmul(ops.cast(self.interpolation, features.dtype), features)
        return ops.reshape(features, (-1, self.num_frames, *shape))


def _interpolation(num_frames: int, stride: int) -> np.ndarray:
    """Shares of the frames 0, stride, 2 stride, ... in each of `num_frames` frames, linear between two of them."""
    places = np.arange(num_frames)[:, None] / stride - np.arange(-(-num_frames // stride))
    shares = np.maximum(0.0, 1.0 - np.abs(places))
    return (shares / shares.sum(axis=1, keepdims=True)).astype("float32")
