"""Convolution, batch normalisation, ReLU, in two or three dimensions."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer
from tsd_tf.layers.padded_convolution import padded_convolution


@keras.saving.register_keras_serializable("tsd_tf")
class ConvNorm(ConfiguredLayer):
    """Convolution - batch normalisation - ReLU, padded with kernel_size // 2 zeros on both sides of every axis.

    Caffe and PyTorch, in which the compared networks were released, pad symmetrically like this; Unit3D pads as
    TensorFlow does. At stride 1 and with odd kernels the two are the same.

    Args:
        filters: number of output channels.
        kernel_size: two ints for images, three for clips; odd.
        strides: int, or as many ints as `kernel_size` has.
        activation: whether a ReLU follows.
        use_bias: whether the convolution has a bias before the normalisation, as in BN-Inception.
        batch_norm_momentum: share of the moving averages that each training step keeps.

    Input shape: (batch, [num_frames,] height, width, channels).
    Output shape: (batch, [ceil(num_frames / stride),] ceil(height / stride), ceil(width / stride), filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        strides: int | Sequence[int] = 1,
        activation: bool = True,
        use_bias: bool = False,
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = (strides,) * len(self.kernel_size) if isinstance(strides, int) else tuple(strides)
        if len(self.kernel_size) not in (2, 3) or any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"`kernel_size` must hold two or three odd ints. Received: kernel_size={kernel_size}")
        self.activation = activation
        self.use_bias = use_bias
        self.batch_norm_momentum = batch_norm_momentum
        convolution = keras.layers.Conv2D if len(self.kernel_size) == 2 else keras.layers.Conv3D
        self.padded = any(size > 1 for size in self.kernel_size)
        self.explicit = self.padded and any(stride > 1 for stride in self.strides)
        self.conv = convolution(
            filters,
            self.kernel_size,
            strides=self.strides,
            padding="same" if self.padded and not self.explicit else "valid",
            use_bias=use_bias,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
            name="conv",
        )
        self.batch_norm = keras.layers.BatchNormalization(
            momentum=batch_norm_momentum, epsilon=1e-5, dtype=self.dtype_policy, name="batch_norm"
        )

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if not self.explicit:
            return tuple(input_shape)
        sizes = (size + 2 * (kernel // 2) for size, kernel in zip(input_shape[1:-1], self.kernel_size, strict=True))
        return (input_shape[0], *sizes, input_shape[-1])

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build(self._padded_shape(input_shape))
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.explicit:
            padding = [(size // 2, size // 2) for size in self.kernel_size]
            x = padded_convolution(self.conv, inputs, padding, training)
        else:
            x = self.conv(inputs)
        x = self.batch_norm(x, training=training)
        return ops.relu(x) if self.activation else x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.conv.compute_output_shape(self._padded_shape(input_shape))
