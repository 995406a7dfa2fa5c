import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tsd_tf.serving.serving_error import ServingError
from tsd_tf.serving.tensors import tensor_from_proto, tensor_to_proto


@pytest.fixture(scope="module")
def signature():
    signature = meta_graph_pb2.SignatureDef()
    for alias, dtype in (("frames", tf.uint8), ("names", tf.string)):
        signature.inputs[alias].dtype = dtype.as_datatype_enum
        for size in (-1, 2, 3):
            signature.inputs[alias].tensor_shape.dim.add(size=size)
    return signature


def test_arrays_come_through(signature):
    frames = np.arange(12, dtype="uint8").reshape(2, 2, 3)
    np.testing.assert_array_equal(tensor_from_proto("frames", tf.make_tensor_proto(frames), signature), frames)
    listed = tf.make_tensor_proto(frames)
    listed.ClearField("tensor_content")
    listed.int_val.extend(range(12))
    np.testing.assert_array_equal(tensor_from_proto("frames", listed, signature), frames)
    names = np.array([[[b"a", b"\xff", b""], [b"b", b"c", b"d"]]], object)
    assert tensor_from_proto("names", tf.make_tensor_proto(names), signature).tolist() == names.tolist()


def _changed(**changes):
    proto = tf.make_tensor_proto(np.zeros((1, 2, 3), "uint8"))
    shape = changes.pop("shape", None)
    if shape is not None:
        del proto.tensor_shape.dim[:]
        for size in shape:
            proto.tensor_shape.dim.add(size=size)
    for field, value in changes.items():
        proto.ClearField(field)
        if isinstance(value, list):
            getattr(proto, field).extend(value)
        else:
            setattr(proto, field, value)
    return proto


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (_changed(dtype=tf.float32.as_datatype_enum), "Expected input frames to be uint8 but get float32."),
        (_changed(dtype=9999), "Expected input frames to be uint8 but get 9999."),
        (_changed(shape=(1, 2)), r"must have shape \[\?,2,3\], every \? at least 1. Received: \[1,2\]"),
        (_changed(shape=(1, 3, 3)), r"Received: \[1,3,3\]"),
        (_changed(shape=(0, 2, 3)), r"Received: \[0,2,3\]"),
        (_changed(shape=(-1, 2, 3)), r"Received: \[-1,2,3\]"),
        (_changed(shape=(2**40, 2, 3)), "tensor parsing error: frames: 6 values"),
        (_changed(shape=(2**40, 2, 3), tensor_content=b"", int_val=[1]), "tensor parsing error: frames: 1 values"),
        (_changed(tensor_content=b"12345"), "tensor parsing error: frames: 5 values"),
        (_changed(tensor_content=b""), "tensor parsing error: frames: 0 values"),
        (_changed(tensor_content=b"", int_val=[0, 1, 2, 3, 4, 256]), "frames: uint8 must hold values of 0 to 255"),
        (_changed(tensor_content=b"", int_val=[-1, 1, 2, 3, 4, 5]), "frames: uint8 must hold values of 0 to 255"),
    ],
)
def test_what_does_not_fit_is_refused_before_memory_is_spent(signature, proto, message):
    with pytest.raises(ServingError, match=message):
        tensor_from_proto("frames", proto, signature)


def test_outputs_can_be_read_with_tensorflow():
    for array in (np.array([[0.1, np.nan]], "float32"), np.array([[b"a", b"b"]], object), np.array([3], "int64")):
        np.testing.assert_array_equal(tf.make_ndarray(tensor_to_proto(array)), array)


@pytest.mark.parametrize(
    ("dtype", "field"),
    [
        (tf.uint8, "int_val"),
        (tf.float32, "float_val"),
        (tf.int64, "int64_val"),
        (tf.float16, "half_val"),
        (tf.bfloat16, "half_val"),
        (tf.bool, "bool_val"),
    ],
)
def test_long_lists_are_read_as_short_ones(dtype, field):
    """In parts, between which other threads run."""
    signature = meta_graph_pb2.SignatureDef()
    signature.inputs["x"].dtype = dtype.as_datatype_enum
    for size in (-1, 2):
        signature.inputs["x"].tensor_shape.dim.add(size=size)
    numbers = np.arange(200_000).reshape(-1, 2) % 251
    expected = tf.cast(numbers, dtype).numpy()
    proto = tf.make_tensor_proto(expected)
    flat = expected.ravel()
    proto.ClearField("tensor_content")
    proto.ClearField(field)
    getattr(proto, field).extend((flat.view(np.uint16) if field == "half_val" else flat).tolist())
    found = tensor_from_proto("x", proto, signature)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.astype(np.float64), expected.astype(np.float64))


@pytest.mark.parametrize(("count", "value"), [(6, 256), (6, -1), (200_000, 256)])
def test_values_out_of_range_are_not_wrapped(count, value):
    signature = meta_graph_pb2.SignatureDef()
    signature.inputs["x"].dtype = tf.uint8.as_datatype_enum
    signature.inputs["x"].tensor_shape.dim.add(size=-1)
    proto = tf.make_tensor_proto(np.zeros(count, "uint8"))
    proto.ClearField("tensor_content")
    proto.int_val[:] = [1] * (count - 1) + [value]
    with pytest.raises(ServingError, match="tensor parsing error: x: uint8 must hold values of 0 to 255"):
        tensor_from_proto("x", proto, signature)
