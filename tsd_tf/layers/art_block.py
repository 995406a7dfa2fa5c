"""The residual block of ARTNet-ResNet18."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer
from tsd_tf.layers.conv_norm import ConvNorm
from tsd_tf.layers.padded_convolution import padded_convolution
from tsd_tf.layers.smart_block import SmartBlock


@keras.saving.register_keras_serializable("tsd_tf")
class ArtBlock(ConfiguredLayer):
    """x' + f(ReLU(BN(x))): f is 3x3x3 - BN - ReLU, then SMART, or 3x3x3 in the last stage.

    x is a sum that is not yet normalised. x' is x itself, or ReLU(BN(x)) * 3x3x3 / 2 where the stride is 2.

    Args:
        filters: number of output channels.
        strides: of the first convolution and the shortcut; 2 in blocks that change the number of channels.
        smart: whether the second layer is a SMART block; otherwise it is a convolution.
        use_bias: whether the convolutions have a bias.
        batch_norm_momentum: see ConvNorm.

    Input shape: (batch, num_frames, height, width, channels).
    Output shape: (batch, ceil(num_frames / stride), ceil(height / stride), ceil(width / stride), filters).
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        smart: bool = True,
        use_bias: bool = False,
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.smart = smart
        self.use_bias = use_bias
        self.batch_norm_momentum = batch_norm_momentum
        common = {"use_bias": use_bias, "batch_norm_momentum": batch_norm_momentum, "dtype": self.dtype_policy}
        self.batch_norm = keras.layers.BatchNormalization(
            momentum=batch_norm_momentum, epsilon=1e-5, dtype=self.dtype_policy, name="batch_norm"
        )
        self.first = ConvNorm(filters, (3, 3, 3), strides, name="first", **common)
        self.second = SmartBlock(filters, 3, name="second", **common) if smart else self._convolution("second")
        self.shortcut = self._convolution("shortcut", strides) if strides > 1 else None

    def _convolution(self, name: str, strides: int = 1) -> keras.layers.Conv3D:
        return keras.layers.Conv3D(
            self.filters,
            3,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            use_bias=self.use_bias,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.shortcut is None and input_shape[-1] != self.filters:
            raise ValueError(
                f"ArtBlock of stride 1 keeps the channels. Received: {input_shape[-1]} channels, filters={self.filters}"
            )
        self.batch_norm.build(input_shape)
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))
        if self.shortcut is not None:
            self.shortcut.build((input_shape[0], *(size + 2 for size in input_shape[1:-1]), input_shape[-1]))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = ops.relu(self.batch_norm(inputs, training=training))
        y = self.first(x, training=training)
        y = self.second(y, training=training) if self.smart else self.second(y)
        if self.shortcut is None:
            return inputs + y
        return padded_convolution(self.shortcut, x, [(1, 1)] * 3) + y

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.first.compute_output_shape(input_shape)
