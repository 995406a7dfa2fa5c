"""The size of a JPEG picture, from its header."""

import struct
from collections.abc import Iterator

SCAN = 0xDA  # the marker before the picture itself
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers that stand alone
_SIZES_FOLLOW = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def segments(picture: bytes) -> Iterator[tuple[int, int]]:
    """Yields (marker, where it begins) of the segments of a JPEG up to its scan; ends early where there is none."""
    at = 2 if picture[:2] == b"\xff\xd8" else len(picture)
    while at + 4 <= len(picture) and picture[at] == 0xFF:
        marker = picture[at + 1]
        if marker == 0xFF:
            at += 1  # padding
            continue
        yield marker, at
        if marker == SCAN:
            return
        at += 2 if marker in _NO_LENGTH else 2 + int.from_bytes(picture[at + 2 : at + 4], "big")


def header(picture: bytes) -> bytes:
    """The bytes up to height and width, which are the same in pictures of one size; ValueError where there are none."""
    for marker, at in segments(picture):
        if marker in _SIZES_FOLLOW and at + 9 <= len(picture):
            # Marker (2 bytes), length of the segment (2), bits per sample (1), height (2), width (2).
            return picture[: at + 9]
    raise ValueError("no JPEG with a whole header" if picture[:2] == b"\xff\xd8" else "no JPEG")


def size(picture: bytes) -> tuple[int, int]:
    """(height, width) in pixels; ValueError as of `header`."""
    return struct.unpack(">HH", header(picture)[-4:])
