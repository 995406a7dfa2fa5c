"""Reads frames from the cameras of this machine."""

from collections.abc import Iterator

import cv2
import numpy as np

from tsd_tf.contract import frame_times
from tsd_tf.contract.errors import UserError
from tsd_tf.video import geometry, resampling


class Camera:
    """A camera, with OpenCV: PyAV's wheels do not read cameras.

    Args:
        number: of the camera.

    Attributes:
        header_duration, duration, damage: as those of a Video; a camera says nothing.

    Raises:
        UserError: it cannot be opened.
    """

    header_duration: float | None = None
    duration = 0.0
    damage = ""

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise UserError(f"no camera {number} that OpenCV can open")

    def frames(self, *, frame_rate: float, short_side: int) -> Iterator[np.ndarray]:
        """Yields the pictures that are on display at k / frame_rate, until the camera ends: see Video.frames."""
        try:
            for picture in resampling.on_display(self._timed_pictures(), frame_rate):
                height, width = picture.shape[:2]
                size = frame_times.scaled_size(height, width, short_side)
                yield cv2.cvtColor(geometry.resized(picture, size), cv2.COLOR_BGR2RGB)
        finally:
            self._capture.release()

    def _timed_pictures(self) -> Iterator[tuple[float, np.ndarray | None]]:
        times = frame_times.FrameTimes(self._capture.get(cv2.CAP_PROP_FPS))
        while True:
            read, picture = self._capture.read()
            if not read:
                break
            yield times.add(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000), picture
        if times.time is not None:
            yield times.end, None
