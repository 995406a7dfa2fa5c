"""The Inception block of BN-Inception, on single frames."""

import functools
from typing import Any

import keras

from tsd_tf.layers.branched_block import BranchedBlock
from tsd_tf.layers.conv_norm import ConvNorm


@keras.saving.register_keras_serializable("tsd_tf")
class InceptionV2Block(BranchedBlock):
    """1x1 | 1x1 - 3x3 | 1x1 - 3x3 - 3x3 | pool 3x3 - 1x1, concatenated (Ioffe and Szegedy, 2015, Figure 5).

    Args:
        single: channels of the 1x1 branch; None in blocks of stride 2, which have neither this branch nor a projection.
        triple: (reduced, out) of the 3x3 branch.
        double: (reduced, middle, out) of the double 3x3 branch.
        projection: (pool, channels): "avg" or "max", and the 1x1 after it; ("max", None) where `single` is None.
        batch_norm_momentum: see ConvNorm.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, ceil(height / stride), ceil(width / stride), the branches' channels).
    """

    def __init__(
        self,
        single: int | None,
        triple: tuple[int, int],
        double: tuple[int, int, int],
        projection: tuple[str, int | None],
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        pool, projected = projection
        if pool not in ("avg", "max") or (single is None) != (projected is None) or (pool, projected) == ("avg", None):
            raise ValueError(
                "`projection` must be ('avg' or 'max', channels), or ('max', None) where `single` is None. "
                f"Received: single={single}, projection={projection}"
            )
        self.single = single
        self.triple = tuple(triple)
        self.double = tuple(double)
        self.projection = tuple(projection)
        self.batch_norm_momentum = batch_norm_momentum
        strides = 2 if single is None else 1

        unit = functools.partial(
            ConvNorm, use_bias=True, batch_norm_momentum=batch_norm_momentum, dtype=self.dtype_policy
        )
        if pool == "avg":
            # Caffe's average counts the zeros around the map; TensorFlow's SAME average does not.
            pooling = [
                keras.layers.ZeroPadding2D(1, dtype=self.dtype_policy, name="pool_padding"),
                keras.layers.AveragePooling2D(3, strides=1, dtype=self.dtype_policy, name="pool"),
            ]
        else:
            pooling = [
                keras.layers.MaxPooling2D(3, strides=strides, padding="same", dtype=self.dtype_policy, name="pool")
            ]
        branches = [
            [unit(triple[0], (1, 1), name="triple_reduce"), unit(triple[1], (3, 3), strides, name="triple_3x3")],
            [
                unit(double[0], (1, 1), name="double_reduce"),
                unit(double[1], (3, 3), name="double_3x3_1"),
                unit(double[2], (3, 3), strides, name="double_3x3_2"),
            ],
            pooling,
        ]
        if single is not None:
            branches.insert(0, [unit(single, (1, 1), name="single_1x1")])
            branches[-1].append(unit(projected, (1, 1), name="projection_1x1"))
        self.branches = branches
