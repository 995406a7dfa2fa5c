"""Batch normalisation folded into the convolutions before it, for inference."""

from typing import Any

import keras
import tensorflow as tf

from tsd_tf.layers import Unit3D
from tsd_tf.main_networks import MainNetwork


class _Bias:
    """Takes the place of a folded batch normalisation: adds what is left of it.

    Args:
        bias: float array (channels,).
    """

    def __init__(self, bias: Any) -> None:
        self.variable = tf.Variable(bias, trainable=False, name="folded_bias")

    def __call__(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if training:
            raise ValueError("A folded batch normalisation cannot be trained")
        return tf.nn.bias_add(inputs, self.variable)


def folded_copy(model: MainNetwork, input_shape: tuple[int | None, ...]) -> tuple[MainNetwork, list[tf.Variable]]:
    """A copy of `model` for inference in which no Unit3D normalises any more.

    With s = 1 / sqrt(variance + epsilon), a Unit3D's batch norm of a convolution is a convolution with the kernel times
    s, plus beta - mean * s. Only what a Unit3D holds is folded; the rest is copied as it is.

    Args:
        model: one of this package's main networks, built.
        input_shape: what it was built with.

    Returns:
        (copy, variables): the Keras model and the tf.Variables that calling it reads.
    """
    copy = type(model).from_config(model.get_config())
    copy.build(input_shape)
    copy.set_weights(model.get_weights())
    folded = set()
    biases = []
    for unit in copy._flatten_layers():
        if not isinstance(unit, Unit3D):
            continue
        norm = unit.batch_norm
        scale = 1.0 / keras.ops.sqrt(norm.moving_variance + norm.epsilon)
        unit.conv_3d.kernel.assign(unit.conv_3d.kernel * scale)
        folded |= {id(variable) for variable in norm.variables}
        unit.batch_norm = _Bias(norm.beta - norm.moving_mean * scale)
        biases.append(unit.batch_norm.variable)
    kept = [variable.value for variable in copy.weights if id(variable) not in folded]
    return copy, kept + biases
