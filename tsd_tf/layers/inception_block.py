"""The Inception-v1 block, inflated to 3D: four branches, concatenated."""

import functools
from collections.abc import Sequence
from typing import Any

import keras

from tsd_tf.layers.branched_block import BranchedBlock
from tsd_tf.layers.unit_3d import Unit3D


@keras.saving.register_keras_serializable("tsd_tf")
class InceptionBlock(BranchedBlock):
    """`Mixed_*` of Inception-v1 I3D: 1x1x1 | 1x1x1 - 3x3x3 | 1x1x1 - 3x3x3 | max pool 3x3x3 - 1x1x1.

    Args:
        filters: six ints in DeepMind's order: branch 0; branch 1 reduced and out; branch 2 reduced and out; branch 3.
        batch_norm_momentum: see Unit3D.

    Input shape: (batch, num_frames, height, width, channels).
    Output shape: (batch, num_frames, height, width, filters[0] + filters[2] + filters[4] + filters[5]).
    """

    def __init__(self, filters: Sequence[int], batch_norm_momentum: float = 0.999, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(filters) != 6:
            raise ValueError(f"`filters` must hold 6 ints (see InceptionBlock). Received: filters={filters}")
        self.filters = tuple(filters)
        self.batch_norm_momentum = batch_norm_momentum
        unit = functools.partial(Unit3D, batch_norm_momentum=batch_norm_momentum, dtype=self.dtype_policy)
        self.branch_0 = [unit(filters[0], 1, name="branch_0_1x1")]
        self.branch_1 = [unit(filters[1], 1, name="branch_1_1x1"), unit(filters[2], 3, name="branch_1_3x3")]
        self.branch_2 = [unit(filters[3], 1, name="branch_2_1x1"), unit(filters[4], 3, name="branch_2_3x3")]
        self.branch_3 = [
            keras.layers.MaxPooling3D(3, strides=1, padding="same", dtype=self.dtype_policy, name="branch_3_max_pool"),
            unit(filters[5], 1, name="branch_3_1x1"),
        ]
        self.branches = (self.branch_0, self.branch_1, self.branch_2, self.branch_3)
