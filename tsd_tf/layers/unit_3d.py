"""The basic unit of Inception-v1 I3D: 3D convolution, batch normalisation, ReLU."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer
from tsd_tf.layers.padded_convolution import padded_convolution


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """The zeros before and after an axis of `size` elements that make a VALID window equal to a SAME one.

    TensorFlow's rule: ceil(size / stride) outputs, and an odd zero goes to the end.

    Returns:
        (before, after), two ints.
    """
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


@keras.saving.register_keras_serializable("tsd_tf")
class Unit3D(ConfiguredLayer):
    """3D convolution (SAME, no bias) - batch normalisation (no gamma) - ReLU.

    The building block `Unit3D` of DeepMind's i3d.py (Carreira and Zisserman, 2017). A strided convolution pads
    with explicit zeros and then convolves VALID. The mathematics is that of SAME, but TensorFlow's CPU weight gradient
    of a strided SAME convolution crashes at a temporal length of 5, and every table of the paper has a row of that
    length. In bfloat16 every convolution is padded this way, because the weight gradient of a SAME convolution with a
    3x3x3 kernel is garbage at length 2.

    Args:
        filters: number of output channels.
        kernel_size: int or (time, height, width).
        strides: int or (time, height, width).
        batch_norm_momentum: share of the moving averages that each training step keeps.
        epsilon: added to the variance; 1e-3 in the released checkpoints.

    Input shape: (batch, num_frames, height, width, channels).
    Output shape: (batch, ceil(num_frames / stride), ceil(height / stride), ceil(width / stride), filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 1,
        strides: int | Sequence[int] = 1,
        batch_norm_momentum: float = 0.999,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = (kernel_size,) * 3 if isinstance(kernel_size, int) else tuple(kernel_size)
        self.strides = (strides,) * 3 if isinstance(strides, int) else tuple(strides)
        self.batch_norm_momentum = batch_norm_momentum
        self.epsilon = epsilon
        self.pads = max(self.strides) > 1 or (self.compute_dtype == "bfloat16" and max(self.kernel_size) > 1)
        self.conv_3d = keras.layers.Conv3D(
            filters,
            self.kernel_size,
            strides=self.strides,
            padding="valid" if self.pads else "same",
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
            name="conv_3d",
        )
        self.batch_norm = keras.layers.BatchNormalization(
            scale=False, momentum=batch_norm_momentum, epsilon=epsilon, dtype=self.dtype_policy, name="batch_norm"
        )

    def _padding(self, input_shape: tuple[int | None, ...]) -> list[tuple[int, int]]:
        return list(map(same_padding, input_shape[1:4], self.kernel_size, self.strides))

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if not self.pads:
            return tuple(input_shape)
        sizes = (size + sum(zeros) for size, zeros in zip(input_shape[1:4], self._padding(input_shape), strict=True))
        return (input_shape[0], *sizes, input_shape[4])

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        padded_shape = self._padded_shape(input_shape)
        self.conv_3d.build(padded_shape)
        self.batch_norm.build(self.conv_3d.compute_output_shape(padded_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.pads:
            x = padded_convolution(self.conv_3d, inputs, self._padding(inputs.shape), training)
        else:
            x = self.conv_3d(inputs)
        return ops.relu(self.batch_norm(x, training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.conv_3d.compute_output_shape(self._padded_shape(input_shape))
