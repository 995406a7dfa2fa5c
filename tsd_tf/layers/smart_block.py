"""The SMART block of ARTNet: appearance and relation, in two branches."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer
from tsd_tf.layers.conv_norm import ConvNorm


@keras.saving.register_keras_serializable("tsd_tf")
class SmartBlock(ConfiguredLayer):
    """Appearance branch and relation branch, concatenated and reduced (Wang et al., 2018, Figure 2).

        u = BN(x * 1 x k x k, c channels)                                       appearance
        r = BN(mean of adjacent channel pairs of BN(x * 3 x k x k)^2, c / 2)    relation
        y = ReLU([u, r]) * 1 x 1 x 1, c channels

    The mean of pairs is the cross-channel pooling of the released network, whose weights are fixed at 0.5.

    Args:
        filters: c, even.
        kernel_size: k, odd.
        strides: int or (time, height, width), of both branches.
        use_bias: whether the three convolutions have a bias.
        batch_norm_momentum: see ConvNorm.

    Input shape: (batch, num_frames, height, width, channels).
    Output shape: (batch, ceil(num_frames / stride), ceil(height / stride), ceil(width / stride), c).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int | tuple[int, int, int] = 1,
        use_bias: bool = False,
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if filters < 2 or filters % 2:
            raise ValueError(f"`filters` must be even: channels are pooled in pairs. Received: filters={filters}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.use_bias = use_bias
        self.batch_norm_momentum = batch_norm_momentum
        common = {"use_bias": use_bias, "batch_norm_momentum": batch_norm_momentum, "dtype": self.dtype_policy}
        self.appearance = ConvNorm(
            filters, (1, kernel_size, kernel_size), strides, activation=False, name="appearance", **common
        )
        self.relation = ConvNorm(
            filters, (3, kernel_size, kernel_size), strides, activation=False, name="relation", **common
        )
        self.relation_norm = keras.layers.BatchNormalization(
            momentum=batch_norm_momentum, epsilon=1e-5, dtype=self.dtype_policy, name="relation_norm"
        )
        self.reduction = keras.layers.Conv3D(
            filters, 1, use_bias=use_bias, kernel_initializer="he_normal", dtype=self.dtype_policy, name="reduction"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.appearance.build(input_shape)
        self.relation.build(input_shape)
        shape = self.compute_output_shape(input_shape)
        self.relation_norm.build((*shape[:-1], self.filters // 2))
        self.reduction.build((*shape[:-1], self.filters + self.filters // 2))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        squared = ops.square(self.relation(inputs, training=training))
        pairs = ops.reshape(squared, (-1, *squared.shape[1:-1], self.filters // 2, 2))
        # The released network's cross-channel pooling: a product with fixed weights.
        pooled = ops.matmul(pairs, ops.full((2, 1), 0.5, dtype=pairs.dtype))[..., 0]
        relation = self.relation_norm(pooled, training=training)
        both = ops.concatenate([self.appearance(inputs, training=training), relation], axis=-1)
        return self.reduction(ops.relu(both))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.appearance.compute_output_shape(input_shape)
