"""Tensors between protocol messages and NumPy, checked against the signature before they take any memory."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from tsd_tf.serving.serving_error import invalid_argument


def check_shape(alias: str, shape: Sequence[int], signature: SignatureDef) -> None:
    """Raises ServingError unless `shape` fits the input `alias` of the signature."""
    expected = [dimension.size for dimension in signature.inputs[alias].tensor_shape.dim]
    fits = len(shape) == len(expected) and all(
        size >= 1 if wanted < 0 else size == wanted for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = ",".join("?" if size < 0 else str(size) for size in expected)
        got = ",".join(map(str, shape))
        raise invalid_argument(f"input {alias} must have shape [{wanted}], every ? at least 1. Received: [{got}]")


def tensor_from_proto(alias: str, proto: TensorProto, signature: SignatureDef) -> np.ndarray:
    """The NumPy array of an input.

    Args:
        alias: name of the input.
        proto: its value.
        signature: has an input of that name.

    Raises:
        ServingError: INVALID_ARGUMENT if type, shape or contents do not fit the signature.
    """
    expected = signature.inputs[alias].dtype
    if proto.dtype != expected:
        raise invalid_argument(f"Expected input {alias} to be {type_name(expected)} but get {type_name(proto.dtype)}.")
    shape = [dimension.size for dimension in proto.tensor_shape.dim]
    check_shape(alias, shape, signature)
    # In TensorFlow a short list of values stands for a tensor filled with the last one. Here that is a mistake, and a
    # way to ask for much memory with few bytes.
    dtype = tf.dtypes.as_dtype(proto.dtype)
    if dtype == tf.string:
        count = len(proto.string_val)
    elif proto.tensor_content:
        count = len(proto.tensor_content) / dtype.size
    else:
        count = sum(len(values) for field, values in proto.ListFields() if field.name.endswith("_val"))
    if count != math.prod(shape):
        raise invalid_argument(f"tensor parsing error: {alias}: {count:g} values for shape {shape}")
    if dtype == tf.string:
        return np.array(list(proto.string_val), object).reshape(shape)
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}: {error}") from error


def tensor_to_proto(array: np.ndarray) -> TensorProto:
    """The TensorProto of an output, with the values in the type's own field, as TensorFlow Serving answers.

    Args:
        array: the output; bytes objects for strings.
    """
    if array.dtype != np.float32:
        return tf.make_tensor_proto(array)
    shape = tf.TensorShape(array.shape).as_proto()
    return TensorProto(dtype=tf.float32.as_datatype_enum, tensor_shape=shape, float_val=array.ravel().tolist())


def type_name(datatype: int) -> str:
    """TensorFlow's name of a DataType number, such as "uint8"; the number itself if it has none."""
    try:
        return tf.dtypes.as_dtype(datatype).name
    except TypeError:
        return str(datatype)
