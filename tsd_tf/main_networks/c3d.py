"""C3D (Tran et al., 2015), whose fully connected layers fix the length of its clips."""

import math
from typing import Any

import keras
from keras import ops

from tsd_tf.main_networks.main_network import MainNetwork

NUM_FRAMES = 16

# Filters of 3x3x3 convolutions, each with bias and ReLU, and the pool that ends a group.
# Shapes are those of (16, 112, 112, 3) clips.
_ARCHITECTURE = (
    ((64,), (1, 2, 2)),  # 16, 56, 56, 64
    ((128,), (2, 2, 2)),  # 8, 28, 28, 128
    ((256, 256), (2, 2, 2)),  # 4, 14, 14, 256
    ((512, 512), (2, 2, 2)),  # 2, 7, 7, 512
    ((512, 512), (2, 2, 2)),  # 1, 4, 4, 512
)
_UNITS = 4096  # of both fully connected layers


@keras.saving.register_keras_serializable("tsd_tf")
class C3D(MainNetwork):
    """C3D: eight 3x3x3 convolutions, five max pools, two fully connected layers. T_s is 16, for every clip.

    Args:
        num_classes, dropout_rate, width: see MainNetwork; dropout follows both fully connected layers.

    Input shape: (batch, 16, height, width, 3), RGB in [-1, 1]; 112 x 112 in its paper, and fixed once it is built.
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, num_classes: int, dropout_rate: float = 0.5, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(num_classes, dropout_rate, width, batch_norm_momentum=None, **kwargs)
        common = {"activation": "relu", "kernel_initializer": "he_normal", "dtype": self.dtype_policy}
        for group, (convolutions, pool) in enumerate(_ARCHITECTURE, start=1):
            for filters, letter in zip(convolutions, "ab", strict=False):
                name = f"conv{group}{letter}"
                self.blocks.append(keras.layers.Conv3D(self.channels(filters), 3, padding="same", name=name, **common))
            self.blocks.append(
                keras.layers.MaxPooling3D(pool, padding="same", dtype=self.dtype_policy, name=f"pool{group}")
            )
        self.dense = [keras.layers.Dense(self.channels(_UNITS), name=name, **common) for name in ("fc6", "fc7")]

    def check_frames(self, shape: tuple[int | None, ...]) -> None:
        """Raises ValueError unless `shape` is (batch, 16, height, width, 3), known but for the batch."""
        super().check_frames(shape)
        if shape[1] != NUM_FRAMES:
            raise ValueError(f"C3D takes clips of {NUM_FRAMES} frames. Received: input_shape={tuple(shape)}")

    def _build_blocks(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = super()._build_blocks(shape)
        units = math.prod(shape[1:])
        for layer in self.dense:
            layer.build((shape[0], units))
            units = layer.units
        return (shape[0], units)

    def head(self, features: Any, training: bool | None = None) -> Any:
        x = ops.reshape(features, (-1, math.prod(features.shape[1:])))
        for layer in self.dense:
            x = self.dropout(layer(x), training=training)
        return ops.cast(self.logits(x), "float32")
