"""Frames of a video file or camera as evaluation sees them: at one rate, short side scaled, centre cropped, RGB."""

import os

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

import cv2

from tsd_tf.errors import UserError

_LONGEST_PAUSE = 30.0  # seconds; a longer jump between two timestamps is a broken one


class UnreadableVideoError(UserError):
    """A file that is not a video that can be decoded; others may be."""


def prepare(picture, short_side, frame_size):
    """One BGR picture of any size -> uint8 RGB (frame_size, frame_size, 3): scaled, then cropped at the centre."""
    height, width = picture.shape[:2]
    scale = short_side / min(height, width)
    size = max(short_side, round(width * scale)), max(short_side, round(height * scale))
    if size != (width, height):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (size[1] - frame_size) // 2, (size[0] - frame_size) // 2
    return cv2.cvtColor(picture[top : top + frame_size, left : left + frame_size], cv2.COLOR_BGR2RGB)


def open_video(path):
    """The cv2.VideoCapture of a file; UnreadableVideoError where it is not a video that OpenCV can decode."""
    if not os.path.isfile(path):
        raise UnreadableVideoError(f"no such video: {path}")
    capture = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UnreadableVideoError(f"{path} is not a video that OpenCV can decode")
    return capture


def open_camera(index):
    """The cv2.VideoCapture of a camera; UserError where there is none of that number."""
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        raise UserError(f"no camera {index} that OpenCV can open")
    return capture


def frames(capture, *, frames_per_second, short_side, frame_size):
    """Yields the picture that is on display at k / frames_per_second, k = 0, 1, ..., prepared.

    Args:
        capture: cv2.VideoCapture; released at the end.
        frames_per_second: rate of what is yielded, whatever the source's own.
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


def _timed_pictures(capture):
    """Yields (seconds, BGR picture), the times strictly ascending from 0, and at last (the end, None)."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    interval = 1 / rate if 1 <= rate <= 240 else 1 / 25
    origin, time = 0.0, None
    while True:
        read, picture = capture.read()
        if not read:
            break
        raw = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if time is None:
            origin, time = raw, 0.0
        else:
            step = raw - origin - time
            if step > _LONGEST_PAUSE:
                origin += step - interval
            # Old containers give no times to some frames, or the same to many.
            time += step if 1e-4 < step <= _LONGEST_PAUSE else interval
        yield time, picture
    if time is not None:
        yield time + interval, None
