"""TensorFlow Serving's messages without TensorFlow.

tensorflow-serving-api imports TensorFlow, a gigabyte that neither client nor gateway needs. These messages are the same
on the wire. They are built from the field numbers in tensorflow_serving/apis/{predict,model,get_model_metadata,
get_model_status}.proto, tensorflow/core/framework/{tensor,tensor_shape}.proto and
tensorflow/core/protobuf/meta_graph.proto; fields that are not listed survive as unknown ones. The classes live in a
pool of their own, so that a process may import the official ones as well.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from tsd_tf.contract import signatures

_Field = descriptor_pb2.FieldDescriptorProto

# name: (number, type or message, repeated)
_TENSOR_SHAPE_DIM = {"size": (1, "INT64", False)}
_TENSOR_SHAPE = {"dim": (2, ".tensorflow.TensorShapeProto.Dim", True)}
_TENSOR = {
    "dtype": (1, "INT32", False),  # an enum there: the same bytes
    "tensor_shape": (2, ".tensorflow.TensorShapeProto", False),
    "tensor_content": (4, "BYTES", False),
    "float_val": (5, "FLOAT", True),
    "int_val": (7, "INT32", True),  # of uint8 as well
    "string_val": (8, "BYTES", True),
}
_TENSOR_INFO = {
    "name": (1, "STRING", False),
    "dtype": (2, "INT32", False),
    "tensor_shape": (3, ".tensorflow.TensorShapeProto", False),
}
_SIGNATURE_DEF = {
    "inputs": (1, ".tensorflow.SignatureDef.InputsEntry", True),
    "outputs": (2, ".tensorflow.SignatureDef.OutputsEntry", True),
    "method_name": (3, "STRING", False),
}
_MODEL_SPEC = {
    "name": (1, "STRING", False),
    "version": (2, ".google.protobuf.Int64Value", False),
    "signature_name": (3, "STRING", False),
    "version_label": (4, "STRING", False),
}
_PREDICT_REQUEST = {
    "model_spec": (1, ".tensorflow.serving.ModelSpec", False),
    "inputs": (2, ".tensorflow.serving.PredictRequest.InputsEntry", True),
    "output_filter": (3, "STRING", True),
}
_PREDICT_RESPONSE = {
    "outputs": (1, ".tensorflow.serving.PredictResponse.OutputsEntry", True),
    "model_spec": (2, ".tensorflow.serving.ModelSpec", False),
}
_GET_MODEL_METADATA_REQUEST = {
    "model_spec": (1, ".tensorflow.serving.ModelSpec", False),
    "metadata_field": (2, "STRING", True),
}
_SIGNATURE_DEF_MAP = {"signature_def": (1, ".tensorflow.serving.SignatureDefMap.SignatureDefEntry", True)}
_GET_MODEL_METADATA_RESPONSE = {
    "model_spec": (1, ".tensorflow.serving.ModelSpec", False),
    "metadata": (2, ".tensorflow.serving.GetModelMetadataResponse.MetadataEntry", True),
}
_GET_MODEL_STATUS_REQUEST = {"model_spec": (1, ".tensorflow.serving.ModelSpec", False)}
_MODEL_VERSION_STATUS = {
    "version": (1, "INT64", False),
    "state": (2, "INT32", False),
}
_GET_MODEL_STATUS_RESPONSE = {"model_version_status": (1, ".tensorflow.serving.ModelVersionStatus", True)}

# numbers of tensorflow.DataType
DT_FLOAT, DT_UINT8, DT_STRING = 1, 4, 7
AVAILABLE = 30  # of tensorflow.serving.ModelVersionStatus.State
PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
SIGNATURE_DEF = "signature_def"  # the one field of metadata that there is


def _fill(message: Any, name: str, fields: Mapping[str, tuple[int, str, bool]]) -> Any:
    message.name = name
    for field, (number, kind, repeated) in fields.items():
        entry = message.field.add(name=field, number=number)
        entry.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        if kind.startswith("."):
            entry.type, entry.type_name = _Field.TYPE_MESSAGE, kind
        else:
            entry.type = getattr(_Field, f"TYPE_{kind}")
    return message


def _add_maps(message: Any, value: str) -> Any:
    """Gives a message the entries of its maps from strings to `value`, which are its only nested messages."""
    for field in message.field:
        if field.type_name.endswith("Entry"):
            entry = _fill(
                message.nested_type.add(),
                field.type_name.rpartition(".")[2],
                {"key": (1, "STRING", False), "value": (2, value, False)},
            )
            entry.options.map_entry = True
    return message


def _classes(*names: str) -> list[Any]:
    tensor = descriptor_pb2.FileDescriptorProto(name="tsd_tf/tensor.proto", package="tensorflow", syntax="proto3")
    shape = _fill(tensor.message_type.add(), "TensorShapeProto", _TENSOR_SHAPE)
    _fill(shape.nested_type.add(), "Dim", _TENSOR_SHAPE_DIM)
    _fill(tensor.message_type.add(), "TensorProto", _TENSOR)
    _fill(tensor.message_type.add(), "TensorInfo", _TENSOR_INFO)
    _add_maps(_fill(tensor.message_type.add(), "SignatureDef", _SIGNATURE_DEF), ".tensorflow.TensorInfo")

    serving = descriptor_pb2.FileDescriptorProto(
        name="tsd_tf/serving.proto", package="tensorflow.serving", syntax="proto3"
    )
    serving.dependency.extend([tensor.name, any_pb2.DESCRIPTOR.name, wrappers_pb2.DESCRIPTOR.name])
    spec = _fill(serving.message_type.add(), "ModelSpec", _MODEL_SPEC)
    spec.oneof_decl.add(name="version_choice")
    for field in spec.field:
        if field.name.startswith("version"):
            field.oneof_index = 0
    for name, fields, value in (
        ("PredictRequest", _PREDICT_REQUEST, ".tensorflow.TensorProto"),
        ("PredictResponse", _PREDICT_RESPONSE, ".tensorflow.TensorProto"),
        ("SignatureDefMap", _SIGNATURE_DEF_MAP, ".tensorflow.SignatureDef"),
        ("GetModelMetadataRequest", _GET_MODEL_METADATA_REQUEST, ""),
        ("GetModelMetadataResponse", _GET_MODEL_METADATA_RESPONSE, ".google.protobuf.Any"),
        ("GetModelStatusRequest", _GET_MODEL_STATUS_REQUEST, ""),
        ("ModelVersionStatus", _MODEL_VERSION_STATUS, ""),
        ("GetModelStatusResponse", _GET_MODEL_STATUS_RESPONSE, ""),
    ):
        _add_maps(_fill(serving.message_type.add(), name, fields), value)

    pool = descriptor_pool.DescriptorPool()
    for module in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for file in (tensor, serving):
        pool.AddSerializedFile(file.SerializeToString())
    classes = message_factory.GetMessageClassesForFiles([tensor.name, serving.name], pool)
    return [classes[f"tensorflow.{name}"] for name in names]


(
    TensorProto,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
) = _classes(
    "TensorProto",
    "serving.ModelSpec",
    "serving.PredictRequest",
    "serving.PredictResponse",
    "serving.SignatureDefMap",
    "serving.GetModelMetadataRequest",
    "serving.GetModelMetadataResponse",
    "serving.GetModelStatusRequest",
    "serving.GetModelStatusResponse",
)


def predict_request(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> Any:
    """The request for the probabilities and the likeliest classes of a clip.

    Its length, `predict_request(...).ByteSize()`, is what this project calls the bytes that travel: the coded frames
    with their parameter sets, and everything that a request says beside them. What HTTP/2 and TLS add is not in it, nor
    is the Base64 of REST.

    Args:
        model_name: on the server.
        signature: to call.
        inputs: {name: array} of the signature.
    """
    request = PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    request.output_filter.extend([signatures.PROBABILITIES, signatures.CLASSES])
    for name, array in inputs.items():
        write_tensor(request.inputs[name], array)
    return request


def write_tensor(proto: Any, array: np.ndarray) -> None:
    """Fills a TensorProto.

    Args:
        proto: an empty TensorProto.
        array: uint8, float32, or bytes objects.

    Raises:
        ValueError: an array of another type.
    """
    array = np.asarray(array)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.dtype = DT_STRING
        proto.string_val.extend(array.ravel().tolist())
    elif array.dtype in (np.uint8, np.float32):
        proto.dtype = DT_UINT8 if array.dtype == np.uint8 else DT_FLOAT
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        raise ValueError(f"`array` must hold uint8, float32 or bytes. Received: array.dtype={array.dtype}")


def read_tensor(proto: Any) -> np.ndarray:
    """The value of a TensorProto of uint8, float32 or strings; an object array holds bytes.

    Raises:
        ValueError: another type, or the contents do not fill the shape.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.dtype == DT_STRING:
        values = np.array(list(proto.string_val), object)
    elif proto.dtype == DT_FLOAT and proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, "<f4")
    elif proto.dtype == DT_FLOAT:
        values = np.array(proto.float_val, np.float32)
        if values.size == 1:  # one value stands for all
            return np.full(shape, values[0])
    elif proto.dtype == DT_UINT8 and proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, np.uint8)
    elif proto.dtype == DT_UINT8:
        numbers = np.array(proto.int_val, np.int32)
        values = numbers.astype(np.uint8)
        if (values != numbers).any():
            raise ValueError("expected uint8 values of 0 to 255")
    else:
        raise ValueError(f"expected a tensor of uint8, float32 or strings. Received: DataType {proto.dtype}")
    return values.reshape(shape)
