"""TensorFlow Serving's messages without TensorFlow.

tensorflow-serving-api imports TensorFlow, a gigabyte that neither client nor gateway needs. These messages are the same
on the wire. They are built from the field numbers in tensorflow_serving/apis/{predict,model}.proto and
tensorflow/core/framework/{tensor,tensor_shape}.proto; fields that are not listed survive as unknown ones. The classes
live in a pool of their own, so that a process may import the official ones as well.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from tsd_tf.contract import signatures

_Field = descriptor_pb2.FieldDescriptorProto
_WRAPPERS = "google/protobuf/wrappers.proto"

# name: (number, type or message, repeated)
_TENSOR_SHAPE_DIM = {"size": (1, "INT64", False)}
_TENSOR_SHAPE = {"dim": (2, ".tensorflow.TensorShapeProto.Dim", True)}
_TENSOR = {
    "dtype": (1, "INT32", False),  # an enum there: the same bytes
    "tensor_shape": (2, ".tensorflow.TensorShapeProto", False),
    "tensor_content": (4, "BYTES", False),
    "float_val": (5, "FLOAT", True),
    "string_val": (8, "BYTES", True),
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

# numbers of tensorflow.DataType
DT_FLOAT, DT_UINT8, DT_STRING = 1, 4, 7
PREDICT = "/tensorflow.serving.PredictionService/Predict"


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


def _add_map(message: Any, name: str) -> None:
    entry = _fill(
        message.nested_type.add(), name, {"key": (1, "STRING", False), "value": (2, ".tensorflow.TensorProto", False)}
    )
    entry.options.map_entry = True


def _classes() -> list[Any]:
    tensor = descriptor_pb2.FileDescriptorProto(name="tsd_tf/tensor.proto", package="tensorflow", syntax="proto3")
    shape = _fill(tensor.message_type.add(), "TensorShapeProto", _TENSOR_SHAPE)
    _fill(shape.nested_type.add(), "Dim", _TENSOR_SHAPE_DIM)
    _fill(tensor.message_type.add(), "TensorProto", _TENSOR)

    serving = descriptor_pb2.FileDescriptorProto(
        name="tsd_tf/predict.proto", package="tensorflow.serving", syntax="proto3"
    )
    serving.dependency.extend([tensor.name, _WRAPPERS])
    spec = _fill(serving.message_type.add(), "ModelSpec", _MODEL_SPEC)
    spec.oneof_decl.add(name="version_choice")
    for field in spec.field:
        if field.name.startswith("version"):
            field.oneof_index = 0
    _add_map(_fill(serving.message_type.add(), "PredictRequest", _PREDICT_REQUEST), "InputsEntry")
    _add_map(_fill(serving.message_type.add(), "PredictResponse", _PREDICT_RESPONSE), "OutputsEntry")

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    for file in (tensor, serving):
        pool.AddSerializedFile(file.SerializeToString())
    classes = message_factory.GetMessageClassesForFiles([tensor.name, serving.name], pool)
    names = ("TensorProto", "serving.ModelSpec", "serving.PredictRequest", "serving.PredictResponse")
    return [classes[f"tensorflow.{name}"] for name in names]


TensorProto, ModelSpec, PredictRequest, PredictResponse = _classes()


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
    """The value of a TensorProto of float32 or strings; an object array holds bytes.

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
    else:
        raise ValueError(f"expected a tensor of float32 or strings. Received: DataType {proto.dtype}")
    return values.reshape(shape)
