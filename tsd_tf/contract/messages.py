"""TensorFlow Serving's messages without TensorFlow.

tensorflow-serving-api imports TensorFlow, a gigabyte that neither client nor gateway needs. These messages are the same
on the wire. They are built from the field numbers in tensorflow_serving/apis/{predict,model,get_model_metadata,
get_model_status}.proto, tensorflow/core/framework/{tensor,tensor_shape}.proto and
tensorflow/core/protobuf/meta_graph.proto; fields that are not listed survive as unknown ones. The classes live in a
pool of their own, so that a process may import the official ones as well. FILES describe them to others.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from tsd_tf.contract import signatures, wire_format

_Field = descriptor_pb2.FieldDescriptorProto

_DATA_TYPE = {"DT_INVALID": 0, "DT_FLOAT": 1, "DT_INT32": 3, "DT_UINT8": 4, "DT_STRING": 7, "DT_INT64": 9}
_STATE = {"UNKNOWN": 0, "START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}
_ENUMS = (".tensorflow.DataType", ".tensorflow.serving.ModelVersionStatus.State")
# name: (number, type, message or enum, repeated)
_TENSOR_SHAPE_DIM = {"size": (1, "INT64", False)}
_TENSOR_SHAPE = {"dim": (2, ".tensorflow.TensorShapeProto.Dim", True)}
_TENSOR = {
    "dtype": (1, ".tensorflow.DataType", False),
    "tensor_shape": (2, ".tensorflow.TensorShapeProto", False),
    "tensor_content": (4, "BYTES", False),
    "float_val": (5, "FLOAT", True),
    "int_val": (7, "INT32", True),  # of uint8 as well
    "string_val": (8, "BYTES", True),
}
_TENSOR_INFO = {
    "name": (1, "STRING", False),
    "dtype": (2, ".tensorflow.DataType", False),
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
# The same on the wire, with tensors as the bytes that they are made of: to be read, or passed on, one by one.
_PREDICT_ENVELOPE = {**_PREDICT_REQUEST, "inputs": (2, ".tensorflow.serving.PredictEnvelope.InputsEntry", True)}
# A tensor of which nothing but this is looked at.
_TENSOR_HEAD = {name: _TENSOR[name] for name in ("dtype", "tensor_shape")}
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
    "state": (2, ".tensorflow.serving.ModelVersionStatus.State", False),
}
_GET_MODEL_STATUS_RESPONSE = {"model_version_status": (1, ".tensorflow.serving.ModelVersionStatus", True)}

DT_FLOAT, DT_UINT8, DT_STRING = (_DATA_TYPE[name] for name in ("DT_FLOAT", "DT_UINT8", "DT_STRING"))
AVAILABLE = _STATE["AVAILABLE"]
PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
SIGNATURE_DEF = "signature_def"  # the one field of metadata that there is

_MOST_REPEATED = 1 << 24  # values that one value may stand for


def _fill(message: Any, name: str, fields: Mapping[str, tuple[int, str, bool]]) -> Any:
    message.name = name
    for field, (number, kind, repeated) in fields.items():
        entry = message.field.add(name=field, number=number)
        entry.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        if kind.startswith("."):
            entry.type, entry.type_name = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE, kind
        else:
            entry.type = getattr(_Field, f"TYPE_{kind}")
    return message


def _fill_enum(enum: Any, name: str, values: Mapping[str, int]) -> None:
    enum.name = name
    for value, number in values.items():
        enum.value.add(name=value, number=number)


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


def _files() -> tuple[Any, ...]:
    """Descriptions of the messages and of the services that take them, each after what it depends on."""
    tensor = descriptor_pb2.FileDescriptorProto(name="tsd_tf/tensor.proto", package="tensorflow", syntax="proto3")
    _fill_enum(tensor.enum_type.add(), "DataType", _DATA_TYPE)
    shape = _fill(tensor.message_type.add(), "TensorShapeProto", _TENSOR_SHAPE)
    _fill(shape.nested_type.add(), "Dim", _TENSOR_SHAPE_DIM)
    _fill(tensor.message_type.add(), "TensorProto", _TENSOR)
    _fill(tensor.message_type.add(), "TensorInfo", _TENSOR_INFO)
    _fill(tensor.message_type.add(), "TensorHead", _TENSOR_HEAD)
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
        ("PredictEnvelope", _PREDICT_ENVELOPE, "BYTES"),
        ("PredictResponse", _PREDICT_RESPONSE, ".tensorflow.TensorProto"),
        ("SignatureDefMap", _SIGNATURE_DEF_MAP, ".tensorflow.SignatureDef"),
        ("GetModelMetadataRequest", _GET_MODEL_METADATA_REQUEST, ""),
        ("GetModelMetadataResponse", _GET_MODEL_METADATA_RESPONSE, ".google.protobuf.Any"),
        ("GetModelStatusRequest", _GET_MODEL_STATUS_REQUEST, ""),
        ("ModelVersionStatus", _MODEL_VERSION_STATUS, ""),
        ("GetModelStatusResponse", _GET_MODEL_STATUS_RESPONSE, ""),
    ):
        message = _add_maps(_fill(serving.message_type.add(), name, fields), value)
        if fields is _MODEL_VERSION_STATUS:
            _fill_enum(message.enum_type.add(), "State", _STATE)
    services: dict[str, Any] = {}
    for path in (PREDICT, GET_MODEL_METADATA, GET_MODEL_STATUS):
        service, method = path.removeprefix("/tensorflow.serving.").split("/")
        if service not in services:
            services[service] = serving.service.add(name=service)
        services[service].method.add(
            name=method,
            input_type=f".tensorflow.serving.{method}Request",
            output_type=f".tensorflow.serving.{method}Response",
        )
    own = (any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR)
    return (*(descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb) for file in own), tensor, serving)


FILES = _files()


def _classes(*names: str) -> list[Any]:
    pool = descriptor_pool.DescriptorPool()
    for file in FILES:
        pool.AddSerializedFile(file.SerializeToString())
    classes = message_factory.GetMessageClassesForFiles([file.name for file in FILES], pool)
    return [classes[f"tensorflow.{name}"] for name in names]


(
    TensorProto,
    TensorHead,
    ModelSpec,
    PredictRequest,
    PredictEnvelope,
    PredictResponse,
    SignatureDefMap,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
) = _classes(
    "TensorProto",
    "TensorHead",
    "serving.ModelSpec",
    "serving.PredictRequest",
    "serving.PredictEnvelope",
    "serving.PredictResponse",
    "serving.SignatureDefMap",
    "serving.GetModelMetadataRequest",
    "serving.GetModelMetadataResponse",
    "serving.GetModelStatusRequest",
    "serving.GetModelStatusResponse",
)


def predict_request(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> Any:
    """The request for the probabilities and the likeliest classes of a clip.

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


def predict_request_bytes(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """`predict_request`, serialised with one copy of the arrays; protocol buffers would make six.

    Its length is what this project calls the bytes that travel: the coded frames with their parameter sets, and
    everything that a request says beside them. What HTTP/2 and TLS add is not in it, nor is the Base64 of REST.

    Args:
        model_name, signature, inputs: as for `predict_request`.

    Raises:
        ValueError: an array of a type that `write_tensor` does not take.
    """
    parts = [predict_request(model_name, signature, {}).SerializeToString()]
    for name, array in inputs.items():
        tensor = TensorProto()
        content = _write_all_but_content(tensor, np.asarray(array))
        value = [tensor.SerializeToString()]
        if content is not None:
            value += [wire_format.prefix(_TENSOR["tensor_content"][0], len(content)), content]
        size = sum(map(len, value))
        key = name.encode()
        entry = wire_format.prefix(1, len(key)) + key + wire_format.prefix(2, size)
        parts += [wire_format.prefix(_PREDICT_REQUEST["inputs"][0], len(entry) + size), entry, *value]
    return b"".join(parts)


def write_tensor(proto: Any, array: np.ndarray) -> None:
    """Fills a TensorProto.

    Args:
        proto: an empty TensorProto.
        array: uint8, float32, or bytes objects.

    Raises:
        ValueError: an array of another type.
    """
    content = _write_all_but_content(proto, np.asarray(array))
    if content is not None:
        proto.tensor_content = bytes(content)


def _write_all_but_content(proto: Any, array: np.ndarray) -> memoryview | None:
    """Fills a TensorProto, and returns what is to be its `tensor_content`: None for strings, which have none."""
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.dtype = DT_STRING
        proto.string_val.extend(array.ravel().tolist())
        return None
    if array.dtype in (np.uint8, np.float32):
        proto.dtype = DT_UINT8 if array.dtype == np.uint8 else DT_FLOAT
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    raise ValueError(f"`array` must hold uint8, float32 or bytes. Received: array.dtype={array.dtype}")


def read_tensor(proto: Any) -> np.ndarray:
    """The value of a TensorProto of uint8, float32 or strings; an object array holds bytes.

    Raises:
        ValueError: another type, a value out of range, or the contents do not fill the shape.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if min(shape, default=0) < 0:
        raise ValueError(f"expected sizes that are known. Received: shape {shape}")
    if proto.dtype == DT_STRING:
        values = np.array(list(proto.string_val), object)
    elif proto.dtype == DT_FLOAT and proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, "<f4")
    elif proto.dtype == DT_FLOAT:
        values = np.array(proto.float_val, np.float32)
        if values.size == 1 and math.prod(shape) <= _MOST_REPEATED:  # one value stands for all
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
