"""Reads frames from video files with OpenCV: at one frame rate and size and upright, whatever the file holds."""

import os
from collections.abc import Iterator

import numpy as np

# FFmpeg's complaints about broken files go to the manifest as reasons, not to the terminal.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

import cv2

from tsd_tf.contract import frame_times

MAX_SECONDS = 600
_WIDEST_ASPECT = 16


class UnreadableVideoError(Exception):
    """No frames can be read from the file; the message says why."""


class Video:
    """A video file, read once from its start.

    Args:
        path: the file.

    Attributes:
        nominal_frame_rate: frames a second according to the file's header; 25 if the header has none.
        header_duration: seconds according to the file's header, or None.
        duration: seconds read, from the first frame to the end of the last; complete once `frames` is exhausted.

    Raises:
        UnreadableVideoError: there is no such file, no video stream in it, or no decoder for it.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        path = os.fspath(path)
        if not os.path.isfile(path):
            raise UnreadableVideoError("no such file")
        if not os.path.getsize(path):
            raise UnreadableVideoError("the file is empty")
        # One thread: the builder's processes use the cores, and a single thread decodes the same frames every time.
        self._capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not self._capture.isOpened():
            raise UnreadableVideoError("no video stream that FFmpeg can decode")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._times = frame_times.FrameTimes(rate)
        self.nominal_frame_rate = self._times.frame_rate
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.header_duration: float | None = (
            count / rate if 0 < count < 1e9 and frame_times.is_frame_rate(rate) else None
        )
        self.duration = 0.0

    def frames(
        self, *, frame_rate: float, short_side: int, time_start: float = 0.0, time_end: float | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the pictures that are on display at time_start + k / frame_rate, k = 0, 1, ...

        Args:
            frame_rate: pictures a second, independent of the file's rate, which may vary.
            short_side: pixels of the short side after scaling; the aspect ratio is kept.
            time_start, time_end: the half-open interval to read, in seconds from the first frame; time_end is None for
                the end.

        Yields:
            uint8 RGB arrays (height, width, 3), all of one size.

        Raises:
            UnreadableVideoError: no frame can be decoded, the interval is longer than MAX_SECONDS, or a picture is
                more than 16 times as long as wide.
        """
        if time_end is not None and time_end - time_start > MAX_SECONDS:
            raise UnreadableVideoError(f"a clip of {time_end - time_start:g} s; a record holds at most {MAX_SECONDS} s")
        count = 0
        size: tuple[int, int] | None = None
        shown: np.ndarray | None = None
        last_picture: np.ndarray | None = None
        last_possible = np.inf if time_end is None else time_end
        for time, picture in self._timed_pictures(time_start, last_possible):
            if picture is not None:
                size = size or _scaled_size(picture.shape, short_side)
            # `shown` is on display until `time`, when `picture` follows; a late first frame also fills the time before.
            while (due := time_start + count / frame_rate) < min(time - 1e-6, last_possible - 1e-6):
                source = picture if shown is None else shown
                if source is None or size is None:
                    break
                if count >= MAX_SECONDS * frame_rate:
                    raise UnreadableVideoError(f"longer than {MAX_SECONDS} s from {time_start:g} s; give an interval")
                if source is not last_picture:
                    last_picture, scaled = source, _upright_rgb(source, size)
                yield scaled
                count += 1
            if picture is not None:
                shown = picture
            if due >= last_possible - 1e-6:
                return

    def _timed_pictures(self, time_start: float, time_end: float) -> Iterator[tuple[float, np.ndarray | None]]:
        """Yields (seconds, BGR picture or None), the times strictly ascending, and at last (the end, None)."""
        found = False
        while self._capture.grab():
            time = self._times.add(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            # Pictures long before the interval are decoded (seeking is not exact) but not converted.
            if time < time_start - 1.0:
                self.duration = self._times.end
                continue
            decoded, picture = self._capture.retrieve()
            if not decoded or picture is None:
                continue
            found = True
            yield time, picture
            self.duration = self._times.end
            if time >= time_end:
                return
        if self._times.time is None or not (found or self.duration):
            raise UnreadableVideoError("no frame of it can be decoded")
        yield self.duration, None


def _scaled_size(shape: tuple[int, ...], short_side: int) -> tuple[int, int]:
    height, width = shape[:2]
    if max(height, width) > _WIDEST_ASPECT * min(height, width):
        raise UnreadableVideoError(
            f"pictures of {width} x {height} pixels: more than {_WIDEST_ASPECT} times as long as wide"
        )
    return frame_times.scaled_size(height, width, short_side)


def _upright_rgb(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if (picture.shape[1], picture.shape[0]) != size:
        shrinks = picture.shape[1] > size[0]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
