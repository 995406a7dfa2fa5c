"""ResNet3D-18: a plain 3D residual network."""

from typing import Any

import keras

from tsd_tf.layers import ConvNorm, ResidualBlock
from tsd_tf.main_networks.main_network import MainNetwork

# Shapes are those of (T, 112, 112, 3) clips.
_ARCHITECTURE = (
    (64, 1),  # T, 56, 56, 64 (the stem halves the edges)
    (64, 1),
    (128, 2),  # T / 2, 28, 28, 128
    (128, 1),
    (256, 2),  # T / 4, 14, 14, 256
    (256, 1),
    (512, 2),  # T / 8, 7, 7, 512
    (512, 1),
)


@keras.saving.register_keras_serializable("tsd_tf")
class ResNet3D18(MainNetwork):
    """ResNet-18 with 3x3x3 kernels: stem 3x7x7 / (1, 2, 2), four stages of two blocks, 1x1x1 shortcuts.

    The r3d_18 of Tran et al. (2018): not a network of the paper's tables, but a 3D CNN that TSD plugs into.

    Args:
        num_classes, dropout_rate, width: see MainNetwork; r3d_18 has no dropout.
        **kwargs: batch_norm_momentum: see MainNetwork and ConvNorm.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1]; any num_frames >= 1.
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, num_classes: int, dropout_rate: float = 0.0, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(num_classes, dropout_rate, width, **kwargs)
        self.blocks.append(ConvNorm(self.channels(64), (3, 7, 7), (1, 2, 2), name="stem", **self._unit_arguments))
        for number, (filters, strides) in enumerate(_ARCHITECTURE):
            name = f"stage_{number // 2 + 1}_block_{number % 2 + 1}"
            self.blocks.append(ResidualBlock(self.channels(filters), strides, name=name, **self._unit_arguments))
