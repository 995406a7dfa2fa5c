"""TSN on BN-Inception (Wang et al., 2016), a row of Table 1: a 2D network on every frame, the scores averaged."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers import ConvNorm, InceptionV2Block
from tsd_tf.main_networks.main_network import MainNetwork

# Shapes are those of one (224, 224, 3) frame. Blocks: 1x1 | 3x3 (reduced, out) | double 3x3 (reduced, middle, out) |
# pool and its projection; the blocks without 1x1 and projection have stride 2.
_ARCHITECTURE = (
    ("conv1", "conv", (64, 7, 2)),  # 112, 112, 64
    ("pool1", "pool", None),  # 56, 56, 64
    ("conv2_reduce", "conv", (64, 1, 1)),  # 56, 56, 64
    ("conv2", "conv", (192, 3, 1)),  # 56, 56, 192
    ("pool2", "pool", None),  # 28, 28, 192
    ("inception_3a", "block", (64, (64, 64), (64, 96, 96), ("avg", 32))),  # 28, 28, 256
    ("inception_3b", "block", (64, (64, 96), (64, 96, 96), ("avg", 64))),  # 28, 28, 320
    ("inception_3c", "block", (None, (128, 160), (64, 96, 96), ("max", None))),  # 14, 14, 576
    ("inception_4a", "block", (224, (64, 96), (96, 128, 128), ("avg", 128))),  # 14, 14, 576
    ("inception_4b", "block", (192, (96, 128), (96, 128, 128), ("avg", 128))),  # 14, 14, 576
    ("inception_4c", "block", (160, (128, 160), (128, 160, 160), ("avg", 128))),  # 14, 14, 608
    ("inception_4d", "block", (96, (128, 192), (160, 192, 192), ("avg", 128))),  # 14, 14, 608
    ("inception_4e", "block", (None, (128, 192), (192, 256, 256), ("max", None))),  # 7, 7, 1056
    ("inception_5a", "block", (352, (192, 320), (160, 224, 224), ("avg", 128))),  # 7, 7, 1024
    ("inception_5b", "block", (352, (192, 320), (192, 224, 224), ("max", 128))),  # 7, 7, 1024
)


@keras.saving.register_keras_serializable("tsd_tf")
class TSN(MainNetwork):
    """BN-Inception on every frame, then the mean of the frames' scores (TSN's segmental consensus).

    Args:
        num_classes, dropout_rate, width: see MainNetwork.
        **kwargs: batch_norm_momentum: see MainNetwork and ConvNorm.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1]; any num_frames >= 1.
    Output shape: logits (batch, num_classes), float32, averaged over the frames.
    """

    def __init__(self, num_classes: int, dropout_rate: float = 0.8, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(num_classes, dropout_rate, width, **kwargs)

        def scaled(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(scaled(item) for item in value)
            return self.channels(value) if isinstance(value, int) else value

        for name, kind, arguments in _ARCHITECTURE:
            if kind == "conv":
                filters, edge, strides = arguments
                block = ConvNorm(
                    self.channels(filters), (edge, edge), strides, use_bias=True, name=name, **self._unit_arguments
                )
            elif kind == "block":
                block = InceptionV2Block(*scaled(arguments), name=name, **self._unit_arguments)
            else:
                block = keras.layers.MaxPooling2D(3, strides=2, padding="same", dtype=self.dtype_policy, name=name)
            self.blocks.append(block)

    def _build_blocks(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return super()._build_blocks((None, *shape[2:]))

    def features(self, frames: Any, training: bool | None = None) -> Any:
        x = self._run_blocks(ops.reshape(frames, (-1, *frames.shape[2:])), training)
        return ops.reshape(x, (-1, frames.shape[1], *x.shape[1:]))

    def head(self, features: Any, training: bool | None = None) -> Any:
        x = ops.reshape(ops.mean(features, axis=(2, 3)), (-1, features.shape[-1]))
        return ops.mean(ops.reshape(self._classify(x, training), (-1, features.shape[1], self.num_classes)), axis=1)
