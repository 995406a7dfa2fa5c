"""What shard builders and client must agree on: when a frame of a video is shown, and how large it becomes.

Imports nothing of ours and no library, so that the client can use it.
"""

import math

LONGEST_PAUSE = 30.0  # seconds; a longer jump between two frames is a broken timestamp, not a pause
_HIGHEST_FRAME_RATE = 240.0  # above it the header's rate is a time base, not a rate


def is_frame_rate(rate):
    """Whether the rate in a video's header, frames a second, can be one."""
    return 1 <= rate <= _HIGHEST_FRAME_RATE


def scaled_size(height, width, short_side):
    """(width, height) of a picture whose short side is scaled to `short_side` pixels; the aspect ratio stays."""
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


class FrameTimes:
    """Seconds of one frame after the other from the timestamps of its container, strictly ascending from 0.

    Args:
        frame_rate: of the video's header; 25 is used where it has none that can be one.

    Attributes:
        frame_rate: the rate used.
        time: of the last frame; None before the first.
    """

    def __init__(self, frame_rate):
        self.frame_rate = frame_rate if is_frame_rate(frame_rate) else 25.0
        self.time = None
        self._interval = self._last_interval = 1 / self.frame_rate
        self._origin = 0.0

    def add(self, timestamp):
        """The seconds of the next frame, whose container says `timestamp` seconds."""
        timestamp = timestamp if math.isfinite(timestamp) else 0.0
        if self.time is None:
            self._origin, self.time = timestamp, 0.0
            return self.time
        step = timestamp - self._origin - self.time
        if step > LONGEST_PAUSE:  # a jump: go on as if the next frame came in time
            self._origin += step - self._interval
        # Old containers give no times to some frames, or the same to many.
        step = step if 1e-4 < step <= LONGEST_PAUSE else self._interval
        self._last_interval = min(step, self._interval)
        self.time += step
        return self.time

    @property
    def end(self):
        """Seconds until which the last frame is shown; 0 before the first."""
        return 0.0 if self.time is None else self.time + self._last_interval
