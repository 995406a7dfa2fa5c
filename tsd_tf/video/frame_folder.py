"""Reads frames from folders of numbered pictures."""

import os
from collections.abc import Iterator

import cv2
import numpy as np

from tsd_tf.contract import frame_times
from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import finding, geometry, picture_files, resampling
from tsd_tf.video.limits import check_aspect

_CODECS = {".jpg": "mjpeg", ".jpeg": "mjpeg"}


class FrameFolder:
    """A folder of numbered pictures that stands for a video; what it has in common with Video means the same.

    The k-th picture, counted from 0 in the order of the numbers, is on display from k / rate on. A damaged picture is
    passed over: the one before it stays on display. Pictures of another size than the first one's are scaled to it.

    Args:
        path: the folder; finding.numbered_pictures says which pictures are taken.
        rate: pictures a second.

    Attributes:
        codec: FFmpeg's name of the first picture's codec.
        header_duration: seconds that all pictures take.
        duration: seconds read, to the end of the last picture; complete once `frames` is exhausted.
        damage: what of the interval was passed over, in words; complete once `frames` is exhausted.

    Raises:
        UnreadableVideoError: there is no such folder, or no numbered picture in it.
    """

    def __init__(self, path: str | os.PathLike, rate: float) -> None:
        self._names = finding.numbered_pictures(path)
        if not self._names:
            raise UnreadableVideoError("no folder of numbered pictures, as 00001.jpg or img_00001.png")
        self._path, self._rate = path, rate
        suffix = os.path.splitext(self._names[0])[1].lower()
        self.codec = _CODECS.get(suffix, suffix[1:])
        self.header_duration = len(self._names) / rate
        self.duration = 0.0
        self.damage = ""

    def frames(
        self, *, frame_rate: float, short_side: int, time_start: float = 0.0, time_end: float | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the pictures that are on display at time_start + k / frame_rate: see Video.frames.

        Raises:
            UnreadableVideoError: no picture can be decoded, or one is too large or more than 16 times as long as wide.
        """
        size: tuple[int, int] | None = None
        last = None
        timed = self._timed_pictures(time_start)
        for picture in resampling.on_display(timed, frame_rate, time_start, time_end):
            if picture is not last:
                last, (height, width) = picture, picture.shape[:2]
                check_aspect(width, height)
                size = size or frame_times.scaled_size(height, width, short_side)
                shown = cv2.cvtColor(geometry.resized(picture, size), cv2.COLOR_BGR2RGB)
            yield shown

    def _timed_pictures(self, time_start: float) -> Iterator[tuple[float, np.ndarray | None]]:
        damaged: list[str] = []
        for index, name in enumerate(self._names):
            picture = picture_files.read(os.path.join(self._path, name))
            end = (index + 1) / self._rate
            if picture is not None:
                self.duration = end
                yield index / self._rate, picture
            elif end > time_start:
                damaged.append(name)
                count = f"{len(damaged)} of {len(self._names)} pictures"
                self.damage = f"passed over {count} that are damaged, the first {damaged[0]}"
        if not self.duration:
            raise UnreadableVideoError(f"none of its {len(self._names)} pictures can be decoded")
        yield self.duration, None
