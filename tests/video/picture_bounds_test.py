"""Pictures that take more to decode than their size explains, and honest ones of every kind."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import picture_bounds

_MORE = zlib.compress(bytes(32 << 20))


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(size, *chunks, depth=8, colour=2, interlaced=0):
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(chunks) + _chunk(b"IEND", b"")


def _interlaced(pixels):
    """An interlaced PNG of grey levels (height, width)."""
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        part = pixels[y::dy, x::dx]
        rows += b"".join(b"\0" + row.tobytes() for row in part) if part.size else b""
    return _png(pixels.shape[::-1], _chunk(b"IDAT", zlib.compress(rows)), colour=0, interlaced=1), rows


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (17, 5), (1, 1), (3, 300)])
def test_honest_pictures(size):
    draw = np.random.default_rng(0)
    for channels in (1, 3, 4):
        for dtype, most in (("uint8", 256), ("uint16", 65536)):
            noise = draw.integers(0, most, (size[1], size[0], channels)).astype(dtype)
            picture_bounds.check(cv2.imencode(".png", noise)[1].tobytes(), *size)
    noise = draw.integers(0, 256, (size[1], size[0], 3)).astype("uint8")
    for quality in (1, 100):
        for progressive in (0, 1):
            options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
            picture_bounds.check(cv2.imencode(".jpg", noise, options)[1].tobytes(), *size)
        picture_bounds.check(cv2.imencode(".webp", noise, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes(), *size)
    picture_bounds.check(b"", *size)
    picture_bounds.check(b"\x89PNG\r\n\x1a\n", *size)
    picture_bounds.check(b"GIF89a", *size)


@pytest.mark.parametrize("size", [(64, 64), (17, 5), (1, 1), (3, 30), (9, 9), (2, 1)])
def test_interlaced_pictures(size):
    pixels = np.random.default_rng(0).integers(0, 256, size[::-1]).astype("uint8")
    picture, rows = _interlaced(pixels)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE), pixels)
    picture_bounds.check(picture, *size)
    longer = _png(size, _chunk(b"IDAT", zlib.compress(rows + b"\0")), colour=0, interlaced=1)
    with pytest.raises(UnreadableVideoError, match="more than its size explains"):
        picture_bounds.check(longer, *size)


def test_pixels_behind_those_that_are_shown():
    exact = zlib.compress(bytes(64 * (1 + 3 * 64)))
    picture_bounds.check(_png((64, 64), _chunk(b"IDAT", exact)), 64, 64)
    picture_bounds.check(_png((64, 64), _chunk(b"IDAT", exact[:9]), _chunk(b"IDAT", exact[9:])), 64, 64)
    for chunks in ([_MORE], [_MORE[:100], _MORE[100:]], [zlib.compress(bytes(64 * 193 + 1))]):
        with pytest.raises(UnreadableVideoError, match="a PNG picture holds more than its size explains"):
            picture_bounds.check(_png((64, 64), *(_chunk(b"IDAT", chunk) for chunk in chunks)), 64, 64)


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        (b"zTXt", b"a\0\0"),
        (b"iCCP", b"a\0\0"),
        (b"iTXt", b"a\0\1\0\0\0"),
        (b"iTXt", b"a\0\1\0en\0b\0"),
    ],
)
def test_texts_that_inflate(kind, before):
    pixels = _chunk(b"IDAT", zlib.compress(bytes(64 * 193)))
    picture_bounds.check(_png((64, 64), _chunk(kind, before + zlib.compress(bytes(1000))), pixels), 64, 64)
    part = _chunk(kind, before + zlib.compress(bytes(600_000)))
    picture_bounds.check(_png((64, 64), part, pixels), 64, 64)
    for chunks in ([_chunk(kind, before + _MORE)], [part, part]):
        with pytest.raises(UnreadableVideoError, match="more than its size explains"):
            picture_bounds.check(_png((64, 64), *chunks, pixels), 64, 64)


def test_chunks_without_end():
    with pytest.raises(UnreadableVideoError, match="expected at most 4096 chunks"):
        picture_bounds.check(_png((64, 64), *[_chunk(b"tEXt", b"")] * 5000), 64, 64)


def test_scans_without_end():
    """A progressive JPEG may go over its picture again and again."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype("uint8")
    jpeg = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    picture_bounds.check(jpeg[:-2] + last * 20 + jpeg[-2:], 64, 64)
    with pytest.raises(UnreadableVideoError, match="expected at most 64 scans in a JPEG picture"):
        picture_bounds.check(jpeg[:-2] + last * 60 + jpeg[-2:], 64, 64)


def test_files_that_are_too_long():
    with pytest.raises(UnreadableVideoError, match="expected at most 163840 bytes in a picture of 64 x 64 pixels"):
        picture_bounds.check(b"\xff\xd8" + bytes(163_839), 64, 64)
