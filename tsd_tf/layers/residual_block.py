"""The basic residual block of ResNet, in three dimensions."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer
from tsd_tf.layers.conv_norm import ConvNorm


@keras.saving.register_keras_serializable("tsd_tf")
class ResidualBlock(ConfiguredLayer):
    """ReLU(x' + BN(ReLU(BN(x * 3x3x3)) * 3x3x3)); x' is x, or BN(x * 1x1x1) where the shape changes.

    Args:
        filters: number of output channels.
        strides: of the first convolution and the shortcut.
        batch_norm_momentum: see ConvNorm.

    Input shape: (batch, num_frames, height, width, channels).
    Output shape: (batch, ceil(num_frames / stride), ceil(height / stride), ceil(width / stride), filters).
    """

    def __init__(self, filters: int, strides: int = 1, batch_norm_momentum: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.batch_norm_momentum = batch_norm_momentum
        common = {"batch_norm_momentum": batch_norm_momentum, "dtype": self.dtype_policy}
        self.conv_1 = ConvNorm(filters, (3, 3, 3), strides, name="conv_1", **common)
        self.conv_2 = ConvNorm(filters, (3, 3, 3), activation=False, name="conv_2", **common)
        self.shortcut = ConvNorm(filters, (1, 1, 1), strides, activation=False, name="shortcut", **common)
        self.projects = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.projects = self.strides > 1 or input_shape[-1] != self.filters
        self.conv_1.build(input_shape)
        self.conv_2.build(self.conv_1.compute_output_shape(input_shape))
        if self.projects:
            self.shortcut.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self.conv_2(self.conv_1(inputs, training=training), training=training)
        return ops.relu(x + (self.shortcut(inputs, training=training) if self.projects else inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.conv_1.compute_output_shape(input_shape)
