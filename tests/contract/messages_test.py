"""Our messages against tensorflow-serving-api's own."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

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
    "inputs",
    [
        {"frames": _FRAMES},
        {"frames": np.zeros((1, 10, 30, 30, 3), "uint8")[:, ::2]},  # not contiguous, and of a length of three bytes
        {"frames_bytes": np.array([[b"\xff\xd8" * 100, b""]], object)},
        {"packets": np.array([[b"a"]], object), "order": np.arange(200, dtype="uint8")[None], "rate": np.float32(12.5)},
        {"frames": np.zeros((0, 3), "float32")},
        {},
    ],
    ids=lambda inputs: ",".join(inputs),
)
def test_requests_that_are_written_at_once(inputs):
    contents = messages.predict_request_bytes("tsd", "jpeg", inputs)
    official = predict_pb2.PredictRequest.FromString(contents)
    assert official.model_spec.name == "tsd"
    assert official.model_spec.signature_name == "jpeg"
    assert list(official.output_filter) == ["probabilities", "classes"]
    assert set(official.inputs) == set(inputs)
    for name, array in inputs.items():
        np.testing.assert_array_equal(tf.make_ndarray(official.inputs[name]), array, strict=True)
    assert messages.PredictRequest.FromString(contents) == messages.predict_request("tsd", "jpeg", inputs)
    with pytest.raises(ValueError, match="Received: array.dtype=int32"):
        messages.predict_request_bytes("tsd", "jpeg", {"frames": np.int32(1)})


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


@pytest.mark.parametrize("array", [np.array([[1, 0, 255]], "uint8"), np.array([[7]], "uint8")], ids=str)
@pytest.mark.parametrize("packed", [False, True])
def test_uint8_is_read_from_both_forms(array, packed):
    tensor = tf.make_tensor_proto(array)
    if packed:
        tensor.ClearField("int_val")
        tensor.tensor_content = array.tobytes()
    else:
        tensor.ClearField("tensor_content")
        tensor.int_val[:] = array.ravel().tolist()
    found = messages.read_tensor(messages.TensorProto.FromString(tensor.SerializeToString()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)
    assert tf.make_ndarray(tensor).tolist() == array.tolist()


@pytest.mark.parametrize("value", [256, -1])
def test_uint8_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="0 to 255"):
        messages.read_tensor(messages.TensorProto(dtype=messages.DT_UINT8, int_val=[value]))


@pytest.mark.parametrize("shape", [(-1, 2), (1, 1 << 40)])
def test_shapes_that_are_none_are_refused_before_memory_is_spent(shape):
    proto = messages.TensorProto(dtype=messages.DT_FLOAT, float_val=[0.5])
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(ValueError, match="sizes that are known|cannot reshape"):
        messages.read_tensor(proto)


def test_metadata_are_the_same_bytes():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    definition = signatures.signature_def["serving_default"]
    definition.method_name = "tensorflow/serving/predict"
    for size in (-1, 4, 64, 64, 3):
        definition.inputs["frames"].tensor_shape.dim.add(size=size)
    definition.inputs["frames"].dtype = tf.uint8.as_datatype_enum
    definition.outputs["scores"].name = "scores:0"
    official = get_model_metadata_pb2.GetModelMetadataResponse()
    official.model_spec.name = "tsd"
    official.metadata["signature_def"].Pack(signatures)

    response = messages.GetModelMetadataResponse.FromString(official.SerializeToString())
    metadata = messages.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(metadata)
    frames = metadata.signature_def["serving_default"].inputs["frames"]
    assert (frames.dtype, [dim.size for dim in frames.tensor_shape.dim]) == (messages.DT_UINT8, [-1, 4, 64, 64, 3])
    response.metadata["signature_def"].Pack(metadata)
    assert get_model_metadata_pb2.GetModelMetadataResponse.FromString(response.SerializeToString()) == official

    request = messages.GetModelMetadataRequest(metadata_field=[messages.SIGNATURE_DEF])
    request.model_spec.name = "tsd"
    same = get_model_metadata_pb2.GetModelMetadataRequest.FromString(request.SerializeToString())
    assert (same.model_spec.name, list(same.metadata_field)) == ("tsd", ["signature_def"])


def test_status_is_read():
    official = get_model_status_pb2.GetModelStatusResponse()
    official.model_version_status.add(version=3, state="AVAILABLE").status.error_message = "fine"
    response = messages.GetModelStatusResponse.FromString(official.SerializeToString())
    (status,) = response.model_version_status
    assert (status.version, status.state) == (3, messages.AVAILABLE)
    assert response.SerializeToString() == official.SerializeToString()


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
    with pytest.raises(ValueError, match="uint8, float32 or strings. Received: DataType 3"):
        messages.read_tensor(messages.TensorProto(dtype=3))
