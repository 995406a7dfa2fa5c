"""Writes and reads tf.train.SequenceExample messages without TensorFlow: workers start at once and stay small.

The same arguments give the same bytes everywhere: protobuf's own writer does not promise an order of map entries.
Wire format: https://protobuf.dev/programming-guides/encoding/, messages: tensorflow/core/example/feature.proto.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

_VARINT, _LENGTH_DELIMITED = 0, 2
_STEP_TAG = 1 << 3 | _LENGTH_DELIMITED  # FeatureList.feature
_MAX_BYTES = 1 << 31
_FIXED_LENGTHS = {1: 8, 5: 4}


def encode(context: Mapping[str, Any], feature_lists: Mapping[str, Sequence[Any]]) -> bytes:
    """Serialises one SequenceExample.

    Args:
        context: {key: value}; a value is bytes, str, int or float, or a list of one of these.
        feature_lists: {key: list of values}, one value a step.

    Returns:
        The message as bytes, keys in sorted order.
    """
    features = b"".join(_field(1, _map_entry(key, _feature(context[key]))) for key in sorted(context))
    lists = b"".join(
        _field(1, _map_entry(key, b"".join(_field(1, _feature(value)) for value in feature_lists[key])))
        for key in sorted(feature_lists)
    )
    return _field(1, features) + _field(2, lists)


def _feature(value):
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise ValueError("a feature needs at least one value. Received: an empty list")
    if all(isinstance(item, (bytes, str)) for item in values):
        return _field(1, b"".join(_field(1, item.encode() if isinstance(item, str) else item) for item in values))
    if all(isinstance(item, int) for item in values):
        return _field(3, _field(1, b"".join(_varint(item & 0xFFFFFFFFFFFFFFFF) for item in values)))
    if all(isinstance(item, float) for item in values):
        return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
    raise TypeError(f"a feature holds bytes, str, int or float, all of one type. Received: {values!r}")


def _map_entry(key, message):
    return _field(1, key.encode()) + _field(2, message)


def _field(number, payload):
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(message: bytes) -> tuple[dict[str, list], dict[str, list[list]]]:
    """Reads one serialised SequenceExample, of this module or of protobuf.

    Returns:
        (context, feature_lists): {key: list of bytes, int or float} and {key: list of such lists, one a step}.

    Raises:
        ValueError: not such a message.
    """
    return _read(message, lambda key, value, at: [_values(step) for _, step, _ in _fields(value)])


def context_end(head: bytes) -> int | None:
    """Where the context ends in a serialised SequenceExample that begins with it, as those of every writer do.

    Args:
        head: its first bytes, at least eleven unless it is shorter.

    Returns:
        An offset, perhaps beyond `head`; None where something else comes first.
    """
    try:
        if head[0] != (1 << 3 | _LENGTH_DELIMITED):
            return None
        length, begin = _read_varint(head, 1)
    except IndexError:
        return None
    return begin + length


def context_and_steps(message: bytes, key: str) -> tuple[dict[str, list], list[memoryview], list[int]]:
    """Reads the context of a serialised SequenceExample, and finds the steps of one feature list without reading them.

    Args:
        message: bytes.
        key: of the feature list.

    Returns:
        (context, steps, bounds): the context as of `decode`; as of `steps_of`, memoryviews into `message`; and a list
        of one offset more than there are steps: from bounds[i] to bounds[j] `message` holds the steps from i up to j.

    Raises:
        ValueError: not such a message.
    """

    def find(name, value, at):
        if name != key:
            return [], []
        steps, ends = _steps(value)
        return steps, [at, *(at + end for end in ends)]

    context, found = _read(message, find)
    return context, *found.get(key, ([], []))


def steps_of(stretch: bytes) -> list[memoryview]:
    """The steps of a stretch of a feature list, cut out between two of its bounds, as memoryviews for `step_value`.

    Args:
        stretch: bytes.

    Raises:
        ValueError: no such stretch.
    """
    try:
        return _steps(memoryview(stretch))[0]
    except (IndexError, TypeError) as error:
        raise ValueError(f"no steps of a tf.train.SequenceExample: {error}") from error


def step_value(step: memoryview) -> bytes:
    """The one bytes value of a step of `context_and_steps`; ValueError where it is something else."""
    try:
        values = _values(step)
    except (IndexError, TypeError, struct.error) as error:
        raise ValueError(f"not a tf.train.SequenceExample: {error}") from error
    if len(values) != 1 or not isinstance(values[0], bytes):
        got = ", ".join(type(value).__name__ for value in values) or "none"
        raise ValueError(f"expected one value of type bytes, got {got}")
    return values[0]


def _read(message, read_list):
    """The context, and what `read_list` makes of (key, value, offset) of feature lists; ValueError as of `decode`."""
    context, feature_lists = {}, {}
    if len(message) >= _MAX_BYTES:
        raise ValueError(f"not a tf.train.SequenceExample: {len(message)} bytes, where protobuf ends at 2 GiB")
    try:
        for number, part, part_at in _fields(message):
            for _, entry, entry_at in _fields(part, part_at) if number in (1, 2) else ():
                pair = {name: (value, at) for name, value, at in _fields(entry, entry_at)}
                key, (value, at) = _bytes(pair.get(1, (b"", 0))[0]).decode(), pair.get(2, (b"", 0))
                if number == 1:
                    context[key] = _values(value)
                else:
                    feature_lists[key] = read_list(key, value, at)
    except (IndexError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"not a tf.train.SequenceExample: {error}") from error
    return context, feature_lists


def _steps(feature_list):
    """The values of `_fields` and their ends, in a third of the time: a list has hundreds of steps of kilobytes."""
    steps, ends, at, size = [], [], 0, len(feature_list)
    while at < size:
        if feature_list[at] != _STEP_TAG:
            raise TypeError(f"tag {feature_list[at]} in a feature list")
        byte = feature_list[at + 1]
        length, shift, at = byte & 0x7F, 7, at + 2
        while byte > 0x7F:
            byte = feature_list[at]
            length |= (byte & 0x7F) << shift
            shift, at = shift + 7, at + 1
        steps.append(feature_list[at : at + length])
        at += length
        ends.append(at)
    if at > size:
        raise IndexError(f"expected a step of {length} bytes, got {length - (at - size)}")
    return steps, ends


def _values(feature):
    for kind, values, _ in _fields(feature):
        fields = [value for _, value, _ in _fields(values)]
        if kind == 1:
            return [_bytes(value) for value in fields]
        if kind == 2:
            return [item for value in fields for item in struct.unpack(f"<{len(value) // 4}f", value)]
        if kind == 3:
            return [_signed(item) for value in fields for item in _unpacked_varints(value)]
    return []


def _bytes(value):
    if isinstance(value, int):  # bytes(value) would be that many zeros
        raise TypeError("a number where bytes belong")
    return bytes(value)


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _unpacked_varints(value):
    if isinstance(value, int):
        return [value]
    items, at = [], 0
    while at < len(value):
        item, at = _read_varint(value, at)
        items.append(item)
    return items


def _fields(message, start=0):
    """[(field number, int or memoryview, offset)] of a message that itself begins at the offset `start`."""
    message, fields, at = memoryview(message), [], 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            begin = at
            value, at = _read_varint(message, at)
        elif kind in _FIXED_LENGTHS or kind == _LENGTH_DELIMITED:
            length = _FIXED_LENGTHS.get(kind)
            if length is None:
                length, at = _read_varint(message, at)
            begin, value, at = at, message[at : at + length], at + length
            if at > len(message):
                raise IndexError(f"expected a field of {length} bytes, got {len(value)}")
        else:
            raise TypeError(f"wire type {kind}")
        fields.append((tag >> 3, value, start + begin))
    return fields


def _read_varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError("a number of more than 64 bits")
