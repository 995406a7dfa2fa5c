"""Animated WebP, which FFmpeg cannot read."""

import os
import struct
from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.limits import MAX_PIXELS
from tsd_tf.video.utf8_name import utf8_name

_MAX_BYTES = 1 << 28  # OpenCV decodes all pictures at once, four bytes a pixel


def frames(path: str | os.PathLike) -> Iterator[av.VideoFrame]:
    """Yields the pictures with their times and durations; transparency is dropped.

    Raises:
        UnreadableVideoError: they need more memory than is allowed.
    """
    width, height, count = _dimensions(path)
    if width * height > MAX_PIXELS or width * height * 4 * count > _MAX_BYTES:
        raise UnreadableVideoError(f"{count} WebP pictures of {width} x {height} pixels: too large")
    with utf8_name(path) as name:
        done, animation = cv2.imreadanimation(name)
    if not done:
        return
    time = 0
    for picture, duration in zip(animation.frames, animation.durations, strict=True):
        opaque = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), np.uint8)
        frame = av.VideoFrame.from_ndarray(opaque, format="bgr24")
        frame.pts, frame.duration, frame.time_base = time, int(duration), Fraction(1, 1000)
        time += int(duration)
        yield frame


def _dimensions(path: str | os.PathLike) -> tuple[int, int, int]:
    """(width, height, number of pictures) by the file's chunks."""
    with open(path, "rb") as file:
        file.seek(24)
        canvas = file.read(6)
        width, height = (1 + int.from_bytes(canvas[i : i + 3], "little") for i in (0, 3))
        count = 0
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            count += name == b"ANMF"
            file.seek(size + size % 2, os.SEEK_CUR)
    return width, height, count
