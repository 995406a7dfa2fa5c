"""The signature `coded` beside those that a model has: what clients see that ask for its metadata."""

import json
from typing import Any

from tsd_tf.contract import messages, signatures
from tsd_tf.contract.model_metadata import shape_of, signatures_of

_METHOD = "tensorflow/serving/predict"
_TYPES = {messages.DT_STRING: "DT_STRING", messages.DT_UINT8: "DT_UINT8"}


def _inputs(num_frames: int) -> dict[str, tuple[int, list[int]]]:
    """{name: (type, shape)}."""
    return {
        signatures.PACKETS: (messages.DT_STRING, [-1, -1]),
        signatures.CODEC: (messages.DT_STRING, [-1]),
        signatures.ORDER: (messages.DT_UINT8, [-1, num_frames]),
    }


def add_to_message(content: bytes) -> bytes:
    """A GetModelMetadataResponse that lists the signature, if the model takes clips; otherwise as it was.

    Raises:
        DecodeError: it is damaged.
    """
    response = messages.GetModelMetadataResponse.FromString(content)
    found = signatures_of(response)
    shape = shape_of(found)
    if shape is None:
        return content
    definition = found.signature_def[signatures.CODED]
    definition.outputs.MergeFrom(found.signature_def[signatures.SERVING_DEFAULT].outputs)
    definition.method_name = _METHOD
    for name, (dtype, sizes) in _inputs(shape[0]).items():
        definition.inputs[name].dtype = dtype
        for size in sizes:
            definition.inputs[name].tensor_shape.dim.add(size=size)
    response.metadata[messages.SIGNATURE_DEF].Pack(found)
    return response.SerializeToString()


def add_to_json(body: bytes) -> bytes:
    """The same for the JSON of REST; what is no such JSON stays as it was."""
    try:
        document = json.loads(body)
        found = document["metadata"][messages.SIGNATURE_DEF][messages.SIGNATURE_DEF]
        default = found[signatures.SERVING_DEFAULT]
        frames = default["inputs"][signatures.FRAMES]
        shape = [int(dim["size"]) for dim in frames["tensor_shape"]["dim"]]
        if frames["dtype"] != "DT_UINT8" or len(shape) != 5 or len(default["inputs"]) > 1:
            return body
        found[signatures.CODED] = {**default, "inputs": _json_inputs(shape[1])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return body
    return json.dumps(document, indent=1).encode()


def _json_inputs(num_frames: int) -> dict[str, Any]:
    return {
        name: {
            "dtype": _TYPES[dtype],
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in sizes],
                "unknown_rank": False,
            },
            "name": "",
        }
        for name, (dtype, sizes) in _inputs(num_frames).items()
    }
