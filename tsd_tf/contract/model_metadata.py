"""What a server tells of a model: its signatures, by gRPC or by REST."""

from collections.abc import Mapping
from typing import Any

from tsd_tf.contract import messages, signatures

_NUMBERS = {"DT_FLOAT": messages.DT_FLOAT, "DT_UINT8": messages.DT_UINT8, "DT_STRING": messages.DT_STRING}


def signatures_of(response: Any) -> Any:
    """The SignatureDefMap in a GetModelMetadataResponse; an empty one if there is none.

    Raises:
        DecodeError: it is damaged.
    """
    found = messages.SignatureDefMap()
    if messages.SIGNATURE_DEF in response.metadata:
        response.metadata[messages.SIGNATURE_DEF].Unpack(found)
    return found


def signatures_of_json(document: Mapping[str, Any]) -> Any:
    """The SignatureDefMap in REST's answer; types other than float, uint8 and string are left out.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is another document.
    """
    found = messages.SignatureDefMap()
    for name, signature in document["metadata"][messages.SIGNATURE_DEF][messages.SIGNATURE_DEF].items():
        definition = found.signature_def[name]
        for side, tensors in ((definition.inputs, signature["inputs"]), (definition.outputs, signature["outputs"])):
            for alias, tensor in tensors.items():
                side[alias].dtype = _NUMBERS.get(tensor["dtype"], 0)
                for dim in tensor["tensor_shape"]["dim"]:
                    side[alias].tensor_shape.dim.add(size=int(dim["size"]))
    return found


def shape_of(found: Any) -> tuple[int, int, int] | None:
    """(T_s, H, W) of the frames that the default signature of a SignatureDefMap takes; None if it takes no clips."""
    if signatures.SERVING_DEFAULT not in found.signature_def:
        return None
    inputs = found.signature_def[signatures.SERVING_DEFAULT].inputs
    if set(inputs) != {signatures.FRAMES} or inputs[signatures.FRAMES].dtype != messages.DT_UINT8:
        return None
    shape = tuple(dim.size for dim in inputs[signatures.FRAMES].tensor_shape.dim)
    if len(shape) != 5 or shape[4] != 3 or min(shape[1:4]) < 1:
        return None
    return shape[1], shape[2], shape[3]


def num_classes_of(found: Any) -> int | None:
    """How many probabilities the default signature of a SignatureDefMap answers with; None if it does not say."""
    outputs = found.signature_def[signatures.SERVING_DEFAULT].outputs
    shape = [dim.size for dim in outputs[signatures.PROBABILITIES].tensor_shape.dim]
    return shape[1] if len(shape) == 2 and shape[1] > 0 else None
