"""Bytes of protocol buffers: how many parts a message has, and how long its names are, before it is parsed."""

from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 1024  # bytes
_MOST_ENTRIES = 1000  # of a message that is no list of values

# A message type: {number of a field: the type of the message in it, or NAME}. What is not listed is passed over.
NAME = "name"
MessageType = Mapping[int, Any]

_SHAPE: MessageType = {2: {}}  # dim
_TENSOR: MessageType = {2: _SHAPE}
_MODEL_SPEC: MessageType = {1: NAME, 2: {}, 3: NAME, 4: NAME}
# Of TensorFlow Serving; see messages.py.
PREDICT_REQUEST: MessageType = {1: _MODEL_SPEC, 2: {1: NAME, 2: _TENSOR}, 3: NAME}
GET_MODEL_METADATA_REQUEST: MessageType = {1: _MODEL_SPEC, 2: NAME}
GET_MODEL_STATUS_REQUEST: MessageType = {1: _MODEL_SPEC}

_HANDLES = (14, 15)  # resource_handle_val and variant_val of a tensor: messages of any depth, which no model here takes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check(content: bytes, message: MessageType, most_fields: int) -> None:
    """Raises ValueError for a message that is damaged, or that is not worth to be parsed.

    A parser makes objects for fields, and a field takes two bytes: sixty million bytes can hold seven million tensors.
    A name is copied by whoever looks at it.

    Args:
        content: of the message.
        message: its type.
        most_fields: that it may have, those of the messages in it included.
    """
    _count(content, 0, len(content), message, most_fields)


def prefix(number: int, size: int) -> bytes:
    """What stands before a string, bytes or a message.

    Args:
        number: of the field.
        size: of its contents in bytes.
    """
    return _as_varint(number << 3 | _BYTES) + _as_varint(size)


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _count(content: bytes, at: int, end: int, message: MessageType, left: int) -> int:
    """The fields that are left of the most after those from `at` to `end`."""
    least = 0 if message is _TENSOR else left - _MOST_ENTRIES
    while at < end:
        left -= 1
        if left < max(0, least):
            raise ValueError("the message has too many fields")
        tag, at = _varint(content, at, end)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(content, at, end)
        elif kind == _BYTES:
            size, at = _varint(content, at, end)
            if at + size > end:
                raise ValueError("the message is cut off")
            if message is _TENSOR and number in _HANDLES:
                raise ValueError("the message has a tensor of handles or variants")
            inner = message.get(number)
            if inner is NAME:
                if size > LONGEST_NAME:
                    raise ValueError(f"the message has a name of {size} bytes")
            elif inner is not None:
                before = left
                left = _count(content, at, at + size, inner, left)
                least -= before - left
            at += size
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:  # groups, which nobody writes any more
            raise ValueError("the message is damaged")
    if at > end:
        raise ValueError("the message is cut off")
    return left


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("the message is cut off")
