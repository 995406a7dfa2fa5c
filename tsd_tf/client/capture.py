"""Frames of a video file or camera as evaluation sees them: at one rate, short side scaled, centre cropped, RGB."""

import os
from collections.abc import Iterator

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

import cv2
import numpy as np

from tsd_tf.contract import frame_times
from tsd_tf.contract.errors import UserError

_STREAM_TIMEOUT_MILLISECONDS = 10_000


class UnreadableVideoError(UserError):
    """This file cannot be decoded as a video; other files may still be."""


def prepare(picture: np.ndarray, short_side: int, frame_size: int) -> np.ndarray:
    """Scales a BGR picture of any size and crops its centre: uint8 RGB (frame_size, frame_size, 3)."""
    height, width = picture.shape[:2]
    size = frame_times.scaled_size(height, width, short_side)
    if size != (width, height):
        shrinks = width > size[0]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    top, left = (size[1] - frame_size) // 2, (size[0] - frame_size) // 2
    return cv2.cvtColor(picture[top : top + frame_size, left : left + frame_size], cv2.COLOR_BGR2RGB)


def open_video(path: str | os.PathLike) -> cv2.VideoCapture:
    """Opens a file; UnreadableVideoError if it is not a video that OpenCV can decode."""
    if not os.path.isfile(path):
        raise UnreadableVideoError(f"no such video: {path}")
    capture = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UnreadableVideoError(f"{path} is not a video that OpenCV can decode")
    return capture


def open_camera(camera: int | str) -> cv2.VideoCapture:
    """Opens a camera or a stream.

    Args:
        camera: its number, or the URL of a stream that FFmpeg can read (http://, rtsp://, ...).

    Raises:
        UserError: it cannot be opened.
    """
    if isinstance(camera, int):
        capture = cv2.VideoCapture(camera)
        missing = f"no camera {camera} that OpenCV can open"
    else:
        # A stream that stops sending ends, like a camera that is unplugged.
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_TIMEOUT_MILLISECONDS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STREAM_TIMEOUT_MILLISECONDS),
        ]
        capture = cv2.VideoCapture(camera, cv2.CAP_FFMPEG, limits)
        missing = f"no stream at {camera} that OpenCV can open"
    if not capture.isOpened():
        raise UserError(missing)
    return capture


def frames(
    capture: cv2.VideoCapture, *, frames_per_second: float, short_side: int, frame_size: int
) -> Iterator[np.ndarray]:
    """Yields the pictures that are on display at k / frames_per_second, k = 0, 1, ..., prepared.

    Args:
        capture: the source; it is released at the end.
        frames_per_second: rate of the yielded frames, independent of the source's own.
        short_side, frame_size: see `prepare`.

    Yields:
        uint8 RGB arrays (frame_size, frame_size, 3).
    """
    try:
        count, shown = 0, None
        for time, picture in _timed_pictures(capture):
            # What was on display until `time` fills the moments before it.
            while shown is not None and count / frames_per_second < time - 1e-6:
                yield shown
                count += 1
            if picture is not None:
                shown = prepare(picture, short_side, frame_size)
    finally:
        capture.release()


def _timed_pictures(capture: cv2.VideoCapture) -> Iterator[tuple[float, np.ndarray | None]]:
    """Yields (seconds, BGR picture), the times strictly ascending from 0, and at last (the end, None)."""
    times = frame_times.FrameTimes(capture.get(cv2.CAP_PROP_FPS))
    while True:
        read, picture = capture.read()
        if not read:
            break
        yield times.add(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000), picture
    if times.time is not None:
        yield times.end, None
