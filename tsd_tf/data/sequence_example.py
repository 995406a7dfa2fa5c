"""Writes and reads tf.train.SequenceExample messages without TensorFlow: a worker starts at once and stays small.

The same arguments give the same bytes everywhere: protobuf's own writer does not promise an order of map entries.
Wire format: https://protobuf.dev/programming-guides/encoding/, messages: tensorflow/core/example/feature.proto.
"""

import struct

_VARINT, _LENGTH_DELIMITED = 0, 2
_STEP_TAG = 1 << 3 | _LENGTH_DELIMITED  # FeatureList.feature
_FIXED_LENGTHS = {1: 8, 5: 4}


def encode(context, feature_lists):
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


def decode(message):
    """Reads one serialised SequenceExample, of this module or of protobuf.

    Returns:
        (context, feature_lists): {key: list of bytes, int or float} and {key: list of such lists, one a step}.

    Raises:
        ValueError: not such a message.
    """
    return _read(message, lambda key, value: [_values(step) for _, step in _fields(value)])


def context_and_steps(message, key):
    """Reads the context of a serialised SequenceExample, and finds the steps of one feature list without reading them.

    Args:
        message: bytes.
        key: of the feature list.

    Returns:
        (context, steps): as of `decode`, and a list of memoryviews into `message`, one a step, for `step_value`.

    Raises:
        ValueError: not such a message.
    """
    context, found = _read(message, lambda name, value: _steps(value) if name == key else [])
    return context, found.get(key, [])


def step_value(step):
    """The one bytes value of a step of `context_and_steps`; ValueError where it is something else."""
    try:
        values = _values(step)
    except (IndexError, TypeError, struct.error) as error:
        raise ValueError(f"not a tf.train.SequenceExample: {error}") from error
    if len(values) != 1 or not isinstance(values[0], bytes):
        raise ValueError(f"one value of type bytes was expected, {len(values)} came")
    return values[0]


def _read(message, read_list):
    """The context, and what `read_list` makes of the (key, value) of every feature list; ValueError as of `decode`."""
    context, feature_lists = {}, {}
    try:
        for number, part in _fields(message):
            for _, entry in _fields(part) if number in (1, 2) else ():
                pair = dict(_fields(entry))
                key, value = _bytes(pair.get(1, b"")).decode(), pair.get(2, b"")
                if number == 1:
                    context[key] = _values(value)
                else:
                    feature_lists[key] = read_list(key, value)
    except (IndexError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"not a tf.train.SequenceExample: {error}") from error
    return context, feature_lists


def _steps(feature_list):
    """The same as the values of `_fields`, in a third of the time: a list has hundreds of steps of kilobytes."""
    steps, at, end = [], 0, len(feature_list)
    while at < end:
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
    if at > end:
        raise IndexError(f"a step of {length} bytes, {length - (at - end)} are there")
    return steps


def _values(feature):
    for kind, values in _fields(feature):
        fields = _fields(values)
        if kind == 1:
            return [_bytes(value) for _, value in fields]
        if kind == 2:
            return [item for _, value in fields for item in struct.unpack(f"<{len(value) // 4}f", value)]
        if kind == 3:
            return [_signed(item) for _, value in fields for item in _unpacked_varints(value)]
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


def _fields(message):
    """[(field number, int or memoryview)] of a message."""
    message, fields, at = memoryview(message), [], 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
        elif kind in _FIXED_LENGTHS or kind == _LENGTH_DELIMITED:
            length = _FIXED_LENGTHS.get(kind)
            if length is None:
                length, at = _read_varint(message, at)
            value, at = message[at : at + length], at + length
            if at > len(message):
                raise IndexError(f"a field of {length} bytes, {len(value)} are there")
        else:
            raise TypeError(f"wire type {kind}")
        fields.append((tag >> 3, value))
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
