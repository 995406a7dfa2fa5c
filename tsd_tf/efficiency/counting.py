"""Parameters and multiply-accumulates, counted in the layers and the graph that are built."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def parameters(*models: keras.layers.Layer) -> int:
    """The number of trainable values in built models or layers."""
    return sum(math.prod(variable.shape) for model in models for variable in model.trainable_variables)


def multiply_accumulates(function: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    """Multiply-accumulates of convolutions and matrix products in one call, counted on its TensorFlow graph.

    Batch norm, activations, pooling, softmax and resizing are not counted; padding taps are.

    Args:
        function: called with one float32 tensor for each shape.
        shapes: of its arguments.
    """
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    graph = tf.function(function, jit_compile=False).get_concrete_function(*specs).graph
    return sum(_operation(operation) for operation in graph.get_operations())


def _operation(operation: tf.Operation) -> int:
    kind = operation.type
    # What is multiplied for each value of the output.
    if kind in ("Conv2D", "Conv3D"):
        factors = math.prod(operation.inputs[1].shape[:-1])
    elif kind == "DepthwiseConv2dNative":
        factors = math.prod(operation.inputs[1].shape[:2])
    elif kind == "MatMul":
        factors = operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
    elif kind in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        factors = operation.inputs[0].shape[-2 if operation.get_attr("adj_x") else -1]
    else:
        return 0
    return math.prod(operation.outputs[0].shape) * factors
