"""What shard builders and client must agree on: when a frame of a video is shown, and how large it becomes.

Imports no library, so that the client can use it.
"""

import math

LONGEST_PAUSE = 30.0  # seconds; a longer jump between two frames is a broken timestamp, not a pause
_HIGHEST_FRAME_RATE = 240.0  # above it the header's rate is a time base, not a rate


def is_frame_rate(rate: float) -> bool:
    """Whether the rate in a video's header, frames a second, is plausible."""
    return 1 <= rate <= _HIGHEST_FRAME_RATE


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(width, height) of a picture whose short side is scaled to `short_side` pixels; the aspect ratio is kept."""
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


class FrameTimes:
    """The time of frame after frame, from the container's timestamps: seconds, strictly ascending from 0.

    Args:
        frame_rate: of the video's header; 25 is used where it is not plausible.

    Attributes:
        frame_rate: the rate used.
        time: of the last frame; None before the first.
    """

    def __init__(self, frame_rate: float) -> None:
        self.frame_rate = frame_rate if is_frame_rate(frame_rate) else 25.0
        self.time: float | None = None
        self._interval = self._last_interval = 1 / self.frame_rate
        self._origin = 0.0

    def add(self, timestamp: float) -> float:
        """The time of the next frame, in seconds; the container says `timestamp` seconds."""
        timestamp = timestamp if math.isfinite(timestamp) else 0.0
        if self.time is None:
            self._origin, self.time = timestamp, 0.0
            return self.time
        step = timestamp - self._origin - self.time
        if step > LONGEST_PAUSE:  # a jump: go on as if the next frame were on time
            self._origin += step - self._interval
        # Old containers give some frames no time, or many the same.
        step = step if 1e-4 < step <= LONGEST_PAUSE else self._interval
        self._last_interval = min(step, self._interval)
        self.time += step
        return self.time

    @property
    def end(self) -> float:
        """When the last frame ends, in seconds; 0 before the first."""
        return 0.0 if self.time is None else self.time + self._last_interval
