"""Tensors between protocol messages and NumPy, checked against the signature before they take any memory."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from tsd_tf.serving.input_spec import InputSpec
from tsd_tf.serving.serving_error import invalid_argument

_VALUES_AT_ONCE = 1 << 16
_LISTS = tuple(field.name for field in TensorProto.DESCRIPTOR.fields if field.name.endswith("_val"))


def input_specs(signature: SignatureDef) -> dict[str, InputSpec]:
    """{alias: InputSpec} of a signature."""
    return {
        alias: InputSpec(type_name(info.dtype), tuple(dim.size for dim in info.tensor_shape.dim))
        for alias, info in signature.inputs.items()
    }


def tensor_from_proto(alias: str, proto: TensorProto, signature: SignatureDef) -> np.ndarray:
    """The NumPy array of an input.

    Args:
        alias: name of the input.
        proto: its value.
        signature: has an input of that name.

    Returns:
        The array, which may be read-only.

    Raises:
        ServingError: INVALID_ARGUMENT if type, shape or contents do not fit the signature.
    """
    expected = signature.inputs[alias].dtype
    if proto.dtype != expected:
        raise invalid_argument(f"Expected input {alias} to be {type_name(expected)} but get {type_name(proto.dtype)}.")
    shape = [dimension.size for dimension in proto.tensor_shape.dim]
    input_specs(signature)[alias].check(alias, shape)
    # In TensorFlow a short list of values stands for a tensor filled with the last one. Here that is a mistake, and a
    # way to ask for much memory with few bytes.
    dtype, content = tf.dtypes.as_dtype(proto.dtype), proto.tensor_content
    if dtype == tf.string:
        count = len(proto.string_val)
    elif content:
        count = len(content) / dtype.size
    else:
        count = num_listed(proto)
    if count != math.prod(shape):
        raise invalid_argument(f"tensor parsing error: {alias}: {count:g} values for shape {shape}")
    if dtype.is_integer and proto.int_val:  # which NumPy would wrap
        limits = np.iinfo(dtype.as_numpy_dtype)
        if min(proto.int_val) < limits.min or max(proto.int_val) > limits.max:
            raise invalid_argument(
                f"tensor parsing error: {alias}: {dtype.name} must hold values of {limits.min} to {limits.max}"
            )
    if dtype == tf.string:
        return np.array(list(proto.string_val), object).reshape(shape)
    try:
        # Without make_ndarray, which would copy the contents three times more.
        found = np.frombuffer(content, dtype.as_numpy_dtype) if content else _listed(proto)
        return found.reshape(shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}: {error}") from error


def num_listed(proto: TensorProto) -> int:
    """How many values a tensor has one by one, which takes longer to convert than `tensor_content`."""
    return sum(len(getattr(proto, name)) for name in _LISTS)


def _listed(proto: TensorProto) -> np.ndarray:
    """The values of a tensor in a list; part by part, because no other thread runs while one is converted."""
    names = [name for name in _LISTS if getattr(proto, name)]
    if len(names) != 1:
        return tf.make_ndarray(proto)
    name, values = names[0], getattr(proto, names[0])
    parts = []
    for start in range(0, len(values), _VALUES_AT_ONCE):
        listed = values[start : start + _VALUES_AT_ONCE]
        part = TensorProto(dtype=proto.dtype, **{name: listed})
        part.tensor_shape.dim.add(size=len(listed))
        parts.append(tf.make_ndarray(part))
    return np.concatenate(parts)


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
