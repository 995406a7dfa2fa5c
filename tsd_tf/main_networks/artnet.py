"""ARTNet-ResNet18 (Wang et al., 2018), a row of Table 1."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers import ArtBlock, SmartBlock
from tsd_tf.main_networks.main_network import MainNetwork

# Filters, stride, whether the second layer is a SMART block, whether convolutions have a bias: as released.
# Shapes are those of (16, 112, 112, 3) clips.
_ARCHITECTURE = (
    (64, 1, True, False),  # 8, 56, 56, 64 (the stem halves time and edges)
    (64, 1, True, False),
    (128, 2, True, True),  # 4, 28, 28, 128
    (128, 1, True, True),
    (256, 2, True, True),  # 2, 14, 14, 256
    (256, 1, True, True),
    (512, 2, False, True),  # 1, 7, 7, 512
    (512, 1, False, True),
)


@keras.saving.register_keras_serializable("tsd_tf")
class ARTNetResNet18(MainNetwork):
    """ARTNet with a ResNet-18 backbone: SMART stem 7x7 / 2, then four stages of two ArtBlocks.

    It is the released network, 39.66 M parameters and 25.7 G multiply-accumulates a clip of 16 x 112 x 112; the
    row of Table 1 (33 M, 19.4 G a clip) looks like that of a plain 3D ResNet-18.

    Args:
        num_classes, dropout_rate, width: see MainNetwork.
        **kwargs: batch_norm_momentum: see MainNetwork and ConvNorm.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1]; any num_frames >= 1.
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, num_classes: int, dropout_rate: float = 0.2, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(num_classes, dropout_rate, width, **kwargs)
        self.blocks.append(SmartBlock(self.channels(64), 7, 2, name="stem", **self._unit_arguments))
        for number, (filters, strides, smart, use_bias) in enumerate(_ARCHITECTURE):
            name = f"stage_{number // 2 + 1}_block_{number % 2 + 1}"
            self.blocks.append(
                ArtBlock(self.channels(filters), strides, smart, use_bias, name=name, **self._unit_arguments)
            )
        self.batch_norm = keras.layers.BatchNormalization(
            momentum=self.batch_norm_momentum, epsilon=1e-5, dtype=self.dtype_policy, name="batch_norm"
        )

    def channels(self, count: int) -> int:
        """`count` channels at this width, an even number: the SMART block pools channels in pairs."""
        return 2 * max(1, round(count * self.width / 2))

    def _build_blocks(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = super()._build_blocks(shape)
        self.batch_norm.build(shape)
        return shape

    def _run_blocks(self, x: Any, training: bool | None) -> Any:
        return ops.relu(self.batch_norm(super()._run_blocks(x, training), training=training))
