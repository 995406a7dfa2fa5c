"""Whether a picture is worth to be decoded: found out in time and memory that its size bounds."""

import struct
import zlib

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import jpeg

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# A picture of W x H pixels takes no more bytes than these: 8 W H are those of 16 bits and an alpha channel, not
# compressed; the others are for profiles and what cameras write.
_BYTES_PER_PIXEL, _MORE_BYTES = 8, 1 << 17
_MOST_TEXT = 1 << 20  # to which texts and profiles may inflate
_MOST_SCANS = 64  # of a progressive JPEG; libjpeg writes ten. Each of them costs a pass over the picture.
_MOST_CHUNKS = 4096  # of a PNG; encoders cut the pixels into pieces of 8 kB
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# The seven passes of an interlaced PNG: first column, first row, distances of columns and rows.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATED_AT_ONCE = 1 << 16


def check(contents: bytes, width: int, height: int) -> None:
    """Raises UnreadableVideoError for a picture that takes more to decode than its size explains.

    What is wrong with it otherwise is for its decoder to say.

    Args:
        contents: of a JPEG, PNG or WebP file, from anyone.
        width, height: that are expected; a picture that says another size is none of this function's business.
    """
    most = _BYTES_PER_PIXEL * width * height + _MORE_BYTES
    if len(contents) > most:
        raise UnreadableVideoError(f"expected at most {most} bytes in a picture of {width} x {height} pixels")
    if contents.startswith(PNG):
        _check_png(contents, width, height)
    elif contents.startswith(_JPEG) and contents.count(bytes((0xFF, jpeg.SCAN))) > _MOST_SCANS:
        raise UnreadableVideoError(f"expected at most {_MOST_SCANS} scans in a JPEG picture")


def _check_png(contents: bytes, width: int, height: int) -> None:
    """A PNG may hold any number of pixels behind those that it shows, and texts that inflate to any size."""
    size, pixels, header, texts = len(contents), [], None, _MOST_TEXT
    at = len(PNG)
    for _ in range(_MOST_CHUNKS):
        if at + 8 > size:
            break
        length, kind = struct.unpack_from(">I4s", contents, at)
        content = contents[at + 8 : at + 8 + length]
        if kind == b"IHDR" and header is None and len(content) >= 13:
            header = struct.unpack_from(">IIBBBBB", content)
        elif kind == b"IDAT":
            pixels.append(content)
        elif kind in (b"zTXt", b"iTXt", b"iCCP"):
            texts -= _inflate([_compressed(kind, content)], texts)
        elif kind == b"IEND":
            break
        at += 12 + length
    else:
        raise UnreadableVideoError(f"expected at most {_MOST_CHUNKS} chunks in a PNG picture")
    if header is not None and header[:2] == (width, height):
        _inflate(pixels, _png_bytes(header))


def _png_bytes(header: tuple[int, ...]) -> int:
    """The bytes of the pixels before they are compressed, a byte for the filter of each row among them."""
    width, height, depth, colour, _, _, interlaced = header
    bits = depth * _PNG_CHANNELS.get(colour, 4)

    def rows(columns: int, lines: int) -> int:
        return lines * (1 + (columns * bits + 7) // 8) if columns > 0 else 0

    if not interlaced:
        return rows(width, height)
    return sum(rows(-(-(width - x) // dx), max(0, -(-(height - y) // dy))) for x, y, dx, dy in _PASSES)


def _compressed(kind: bytes, content: bytes) -> bytes:
    """What is compressed of a text or a profile."""
    content = content.partition(b"\0")[2]
    if kind != b"iTXt":
        return content[1:]  # after the method
    return content[2:].partition(b"\0")[2].partition(b"\0")[2] if content[:1] == b"\1" else b""


def _inflate(parts: list[bytes], most: int) -> int:
    """To how many bytes they inflate; UnreadableVideoError if to more. Damage is for their decoder to say."""
    inflater, left = zlib.decompressobj(), most
    for part in parts:
        while not inflater.eof:
            wanted = min(left + 1, _INFLATED_AT_ONCE)
            try:
                inflated = len(inflater.decompress(part, wanted))
            except zlib.error:
                return most - left
            left -= inflated
            if left < 0:
                raise UnreadableVideoError("a PNG picture holds more than its size explains")
            part = inflater.unconsumed_tail
            if not part and inflated < wanted:
                break
    return most - left
