"""Writes tf.train.SequenceExample messages without TensorFlow: a builder's worker starts at once and stays small.

The same arguments give the same bytes everywhere: protobuf's own writer does not promise an order of map entries.
Wire format: https://protobuf.dev/programming-guides/encoding/, messages: tensorflow/core/example/feature.proto.
"""

import struct

_LENGTH_DELIMITED = 2


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
