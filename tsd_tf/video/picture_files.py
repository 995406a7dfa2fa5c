"""Pictures as the contents of files: written, and read from outside."""

import os
import pathlib
import struct

import cv2
import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.video import jpeg
from tsd_tf.video.limits import MAX_PIXELS

# How one frame is written as a picture; their default qualities, 1 to 100. PNG loses nothing.
PICTURE_CODECS = {"webp": 80, "jpeg": 90, "png": 0}
_MAX_BYTES = 1 << 28


def encode(frame: np.ndarray, codec: str, quality: int | None = None) -> bytes:
    """One uint8 RGB frame (H, W, 3) as the bytes of a JPEG, WebP or PNG picture.

    Raises:
        UserError: `quality` is not from 1 to 100; PNG has none.
    """
    quality = PICTURE_CODECS[codec] if quality is None else quality
    if codec != "png" and not 1 <= quality <= 100:
        raise UserError(f"`quality` of {codec} must be from 1 to 100 (best). Received: quality={quality}")
    options = {"jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality], "webp": [cv2.IMWRITE_WEBP_QUALITY, quality], "png": []}
    done, contents = cv2.imencode(f".{codec}", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options[codec])
    if not done:
        raise ValueError(f"OpenCV cannot encode a frame of shape {frame.shape} as {codec}")
    return contents.tobytes()


def read(path: str | os.PathLike) -> np.ndarray | None:
    """A picture, upright as its EXIF data say; transparency is dropped.

    Args:
        path: JPEG, PNG, WebP or BMP, whatever its name ends in.

    Returns:
        uint8 BGR (height, width, 3), or None if the file is damaged, cut off or of another kind.

    Raises:
        UnreadableVideoError: it says that it has more pixels than are allowed. It is not decoded.
    """
    try:
        return None if os.path.getsize(path) > _MAX_BYTES else decode(pathlib.Path(path).read_bytes())
    except OSError:
        return None


def decode(contents: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray | None:
    """As `read`, of a file's contents."""
    try:
        size = _stated_size(contents)
        if size is None:
            return None
        if size[0] * size[1] > max_pixels:
            raise UnreadableVideoError(f"pictures of {size[0]} x {size[1]} pixels: too large")
        picture = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)
    except UnreadableVideoError:
        raise
    except (IndexError, ValueError, struct.error, cv2.error):
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def _stated_size(contents: bytes) -> tuple[int, int] | None:
    """(width, height) by the file's header; None where it has none, or where the file ends before its picture does."""
    if contents.startswith(b"\x89PNG\r\n\x1a\n"):
        return struct.unpack_from(">II", contents, 16) if b"IEND" in contents else None
    if contents.startswith(b"\xff\xd8"):
        return _size_of_jpeg(contents)
    if contents.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", contents, 18)
        return width, abs(height)
    if contents[:4] == b"RIFF" and contents[8:12] == b"WEBP":
        kind = contents[12:16]
        if kind == b"VP8X":
            width, rest, height = struct.unpack_from("<HBH", contents, 24)  # 24 bits each
            return 1 + width + (rest << 16), 1 + height + (contents[29] << 16)
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", contents, 21)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        width, height = struct.unpack_from("<HH", contents, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _size_of_jpeg(contents: bytes) -> tuple[int, int] | None:
    scan = next((at for marker, at in jpeg.segments(contents) if marker == jpeg.SCAN), None)
    if scan is None or contents.find(b"\xff\xd9", scan) < 0:
        return None
    height, width = jpeg.size(contents)
    return width, height
