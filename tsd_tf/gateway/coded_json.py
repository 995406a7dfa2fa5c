"""Requests to the signature `coded` in TensorFlow Serving's JSON."""

import base64
import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.refusal import Refusal

_NAMES = (signatures.PACKETS, signatures.CODEC, signatures.ORDER)
_MARK = json.dumps(signatures.CODED).encode()
# Those of sixteen clips are a tenth of it. More would keep the parser, and with it the whole process, busy.
_MOST_VALUES = 50_000
_LONGEST_NAME = 1024  # bytes; a longer string may be a picture
_MORE_BYTES = 1 << 20  # of JSON around pictures


class CodedRequest(NamedTuple):
    """What a body holds.

    Attributes:
        inputs: {name: array}, as in signatures.CODED; not checked further.
        row: whether it is in row format.
    """

    inputs: dict[str, np.ndarray]
    row: bool


class PictureRequest(NamedTuple):
    """A request to the signature `jpeg`.

    Attributes:
        texts: strings in it that may be pictures, in Base64.
    """

    texts: list[str]

    def contents(self) -> Iterator[bytes]:
        """What they hold; those that are no Base64 are for whoever is asked next."""
        for text in self.texts:
            with contextlib.suppress(ValueError):
                yield base64.b64decode(text)


def may_be_coded(body: bytes, cost: JsonCost, max_bytes: int) -> bool:
    """Whether it is worth while to `read` the body; fast, also for large ones.

    Args:
        body: JSON, or anything.
        cost: has seen all of it.
        max_bytes: of the coded pictures of a request.

    Raises:
        Refusal: it holds both many values and long strings, or too many bytes of strings: nobody writes frames in that
            way, and whoever looks for pictures in it would be busy for long.
    """
    has_strings = cost.has_escapes or cost.longest_string > _LONGEST_NAME
    if not has_strings and _MARK not in body:
        return False
    if cost.num_values >= _MOST_VALUES:
        if not has_strings:
            return False
        message = f"expected less than {_MOST_VALUES} values in a body with long strings, got {cost.num_values}"
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_many_values")
    if len(body) > max_bytes * 4 // 3 + _MORE_BYTES:
        message = f"expected at most {max_bytes} bytes of coded pictures in a body"
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_large")
    return True


def read(body: bytes) -> CodedRequest | PictureRequest | None:
    """The inputs of a predict request, in row ("instances") or columnar ("inputs") format.

    Args:
        body: JSON, or anything.

    Returns:
        None if it is no request to the signatures `coded` and `jpeg`.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    try:
        document = json.loads(body, parse_int=_short_int)
    except (ValueError, RecursionError):
        return None  # whoever is asked next will say so
    if not isinstance(document, dict):
        return None
    if document.get("signature_name") == signatures.JPEG:
        return PictureRequest(list(_long_strings(document)))
    if document.get("signature_name") != signatures.CODED:
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


def _short_int(text: str) -> int:
    """Python takes long for long ones."""
    if len(text) > _LONGEST_NAME:
        raise ValueError("a number that nobody needs")
    return int(text)


def _long_strings(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > _LONGEST_NAME:
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _long_strings(part)


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
