"""Our messages against tensorflow-serving-api's own."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tsd_tf.contract import messages

_FRAMES = np.arange(2 * 4 * 5 * 3, dtype="uint8").reshape(1, 2, 4, 5, 3)


def _request(kind, fill):
    request = kind()
    request.model_spec.name = "tsd"
    request.model_spec.version.value = 3
    request.model_spec.signature_name = "jpeg"
    request.output_filter.extend(["probabilities", "classes"])
    fill(request.inputs["frames"])
    return request


@pytest.mark.parametrize(
    "array", [_FRAMES, np.array([[b"\xff\xd8", b""]], object), np.array([[0.5, np.nan]], "float32")], ids=str
)
def test_requests_are_the_same_bytes(array):
    ours = _request(messages.PredictRequest, lambda proto: messages.write_tensor(proto, array))
    official = _request(predict_pb2.PredictRequest, lambda proto: proto.CopyFrom(tf.make_tensor_proto(array)))
    contents = ours.SerializeToString(deterministic=True)
    assert contents == official.SerializeToString(deterministic=True)
    assert predict_pb2.PredictRequest.FromString(contents) == official
    assert messages.PredictRequest.FromString(official.SerializeToString()) == ours


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.1, 0.2, 0.7]], "float32"),
        np.array([[0.25]], "float32"),
        np.zeros((2, 3), "float32"),
        np.array([[b"brush hair", b"\xff"]], object),
    ],
    ids=str,
)
@pytest.mark.parametrize("packed", [False, True])
def test_answers_are_read_from_both_forms(array, packed):
    response = predict_pb2.PredictResponse()
    response.model_spec.version.value = 5
    tensor = response.outputs["x"]
    if packed or array.dtype == object:
        tensor.CopyFrom(tf.make_tensor_proto(array))
    else:
        tensor.dtype = tf.float32.as_datatype_enum
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.float_val.extend(array.ravel().tolist())
    ours = messages.PredictResponse.FromString(response.SerializeToString())
    np.testing.assert_array_equal(messages.read_tensor(ours.outputs["x"]), array)
    assert ours.model_spec.version.value == 5
    assert ours.SerializeToString(deterministic=True) == response.SerializeToString(deterministic=True)


def test_the_version_choice_is_one_of_two():
    spec = messages.ModelSpec(version_label="stable")
    assert spec.WhichOneof("version_choice") == "version_label"
    spec.version.value = 2
    assert spec.WhichOneof("version_choice") == "version"


def test_fields_that_are_not_listed_survive():
    official = predict_pb2.PredictRequest()
    official.inputs["x"].half_val.extend([1, 2])
    ours = messages.PredictRequest.FromString(official.SerializeToString())
    assert predict_pb2.PredictRequest.FromString(ours.SerializeToString()) == official


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="must hold uint8, float32 or bytes. Received: array.dtype=int64"):
        messages.write_tensor(messages.TensorProto(), np.zeros(2, "int64"))
    with pytest.raises(ValueError, match="float32 or strings. Received: DataType 3"):
        messages.read_tensor(messages.TensorProto(dtype=3))
