"""The size of a JPEG picture, from its header."""

import struct

_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers that stand alone
_SIZES_FOLLOW = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def header(picture: bytes) -> bytes:
    """The bytes up to height and width, which are the same in pictures of one size; ValueError where there are none."""
    if picture[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        marker = picture[at + 1]
        if marker in _SIZES_FOLLOW:
            # Marker (2 bytes), length of the segment (2), bits per sample (1), height (2), width (2).
            return picture[: at + 9]
        if marker == 0xFF:
            at += 1  # padding
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
    raise ValueError("no JPEG with a whole header")


def size(picture: bytes) -> tuple[int, int]:
    """(height, width) in pixels; ValueError as of `header`."""
    return struct.unpack(">HH", header(picture)[-4:])
