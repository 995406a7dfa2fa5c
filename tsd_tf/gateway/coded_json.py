"""Requests to the signature `coded` in TensorFlow Serving's JSON."""

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.gateway.refusal import Refusal

_NAMES = (signatures.PACKETS, signatures.CODEC, signatures.ORDER)
_MARK = json.dumps(signatures.CODED).encode()
# Those of sixteen clips are a tenth of it. More would keep the parser, and with it the whole process, busy.
_MOST_VALUES = 50_000


class CodedRequest(NamedTuple):
    """What a body holds.

    Attributes:
        inputs: {name: array}, as in signatures.CODED; not checked further.
        row: whether it is in row format.
    """

    inputs: dict[str, np.ndarray]
    row: bool


def may_be_coded(body: bytes) -> bool:
    """Whether it is worth while to `read` the body; fast, also for large ones."""
    return _MARK in body and body.count(b",") < _MOST_VALUES


def read(body: bytes) -> CodedRequest | None:
    """The inputs of a predict request, in row ("instances") or columnar ("inputs") format.

    Args:
        body: JSON, or anything.

    Returns:
        None if it is no request to the signature `coded`.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None  # whoever is asked next will say so
    if not isinstance(document, dict) or document.get("signature_name") != signatures.CODED:
        return None
    row = "instances" in document
    if row == ("inputs" in document):
        raise _bad_json("expected one of 'inputs' and 'instances'")
    columns = _columns(document["instances"]) if row else document["inputs"]
    if not isinstance(columns, dict) or set(columns) != set(_NAMES):
        raise _bad_json(f"expected 'inputs' as an object of {', '.join(_NAMES)}")
    packets, codec, order = (_list(columns[name], name) for name in _NAMES)
    if not len(packets) == len(codec) == len(order):
        raise _bad_json(f"expected one entry a clip of {', '.join(_NAMES)}")
    clips = [[_bytes(packet) for packet in _list(clip, signatures.PACKETS)] for clip in packets]
    width = max(map(len, clips), default=0)
    if len(clips) * width > _MOST_VALUES:
        raise _bad_json(f"too many packets: up to {width} in each of {len(clips)} clips")
    padded = np.full((len(clips), width), b"", object)
    for line, clip in zip(padded, clips, strict=True):
        line[: len(clip)] = clip
    names = np.empty(len(codec), object)
    names[:] = [_bytes(name) for name in codec]
    return CodedRequest(
        {signatures.PACKETS: padded, signatures.CODEC: names, signatures.ORDER: _numbers(order)},
        row,
    )


def _columns(instances: Any) -> dict[str, list]:
    for index, instance in enumerate(_list(instances, "instances")):
        if not isinstance(instance, dict) or set(instance) != set(_NAMES):
            raise _bad_json(f"expected element {index} of 'instances' as an object of {', '.join(_NAMES)}")
    return {name: [instance[name] for instance in instances] for name in _NAMES}


def _list(value: Any, name: str) -> list:
    if not isinstance(value, list):
        raise _bad_json(f"expected a list in '{name}'")
    return value


def _numbers(rows: Sequence[Any]) -> np.ndarray:
    for row in rows:
        if not isinstance(row, list) or len(row) != len(rows[0]):
            raise _bad_json(f"expected '{signatures.ORDER}' as lists of the same length")
        if not all(type(value) is int and 0 <= value <= 255 for value in row):
            raise _bad_json(f"expected integers of 0 to 255 in '{signatures.ORDER}'")
    return np.array(rows, np.uint8)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except ValueError as error:
            raise _bad_json("unable to base64 decode") from error
    raise _bad_json('expected strings, or {"b64": ...}')


def _bad_json(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"signature {signatures.CODED}: {message}", "bad_json")
