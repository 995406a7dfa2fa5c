"""Branches side by side, as in every Inception block."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer


class BranchedBlock(ConfiguredLayer):
    """Base of the blocks whose branches read the same input. Their outputs are concatenated over the channels."""

    branches: Sequence[Sequence[keras.layers.Layer]]  # the layers of each branch, in order

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for branch in self.branches:
            shape = input_shape
            for layer in branch:
                if not layer.built:
                    layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = []
        for branch in self.branches:
            x = inputs
            for layer in branch:
                x = layer(x, training=training)
            outputs.append(x)
        return ops.concatenate(outputs, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shapes = []
        for branch in self.branches:
            shape = input_shape
            for layer in branch:
                shape = layer.compute_output_shape(shape)
            shapes.append(shape)
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
