"""When a frame of a video is shown, and how large it becomes.

Imports no library, so that the client can use it.
"""

_HIGHEST_FRAME_RATE = 240.0  # above it the header's rate is a time base, not a rate

_LARGEST_DISORDER = 0.1  # seconds; FFmpeg's: a timestamp that goes back further belongs to another clock

_SHORTEST_PAUSE = 1.0  # seconds; a longer step is one, unless the frame before it says that it is shown so long
_LONGEST_SHOWN = 10.0  # seconds; a frame that says more does not count as no pause
_LONGEST_PAUSES = 7200.0  # seconds, all of a video together: more are broken clocks, or there to fill someone's disk


def is_frame_rate(rate: float) -> bool:
    """Whether the rate in a video's header, frames a second, is plausible."""
    return 1 <= rate <= _HIGHEST_FRAME_RATE


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(width, height) of a picture whose short side is scaled to `short_side` pixels; the aspect ratio is kept."""
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


class FrameTimes:
    """The time of frame after frame, from the container's timestamps: seconds, strictly ascending.

    Args:
        frame_rate: of the video's header; 25 is used where it is not plausible.
        origin: the timestamp at which a player starts to count, in seconds; None for that of the first frame.
        longest_jump: seconds; a longer step between two timestamps is a new start of the clock and not a pause,
            as are all pauses once they add up to two hours. A step of more than a second is a pause unless the frame
            before it is to be shown that long, up to ten seconds.

    Attributes:
        time: of the last frame; None before the first.
    """

    def __init__(self, frame_rate: float, origin: float | None = None, longest_jump: float = 600.0) -> None:
        self.time: float | None = None
        self._interval = 1 / (frame_rate if is_frame_rate(frame_rate) else 25.0)
        self._origin, self._longest_jump = origin, longest_jump
        self._last_interval = self._interval
        self._pauses = 0.0
        self._last_timestamp: float | None = None

    def add(self, timestamp: float | None, duration: float | None = None) -> float:
        """The time of the next frame, in seconds.

        Args:
            timestamp: what the container says, in seconds; None if it says nothing.
            duration: how long the frame is shown, in seconds, if the container says that.
        """
        last, self._last_timestamp = self._last_timestamp, timestamp
        if self.time is None:
            if self._origin is None:
                self._origin = timestamp or 0.0
            self.time = 0.0 if timestamp is None else timestamp - self._origin
            if abs(self.time) > self._longest_jump:
                self._origin, self.time = self._origin + self.time, 0.0
            self._last_interval = self._shown(duration, self._interval)
            return self.time
        step = self._interval
        if timestamp is not None:
            origin = self._origin or 0.0
            step = timestamp - origin - self.time
            goes_back = last is not None and timestamp < last - _LARGEST_DISORDER
            shown = min(1.01 * self._last_interval, _LONGEST_SHOWN)
            pauses = self._pauses + (step if step > max(_SHORTEST_PAUSE, shown) else 0.0)
            jumps = abs(step) > self._longest_jump or pauses > _LONGEST_PAUSES
            if jumps or goes_back:  # go on as if the frame were on time
                self._origin, step = origin + step - self._interval, self._interval
            elif step <= 1e-4:
                # Old containers give many frames the same time. Where the clock runs but is behind, it catches up.
                step = self._interval / (2 if last is not None and timestamp > last else 1)
            else:
                self._pauses = pauses
        self._last_interval = self._shown(duration, min(step, self._interval))
        self.time += step
        return self.time

    def _shown(self, duration: float | None, otherwise: float) -> float:
        return duration if duration and 0 < duration <= self._longest_jump else otherwise

    @property
    def end(self) -> float:
        """When the last frame ends, in seconds; 0 before the first."""
        return 0.0 if self.time is None else self.time + self._last_interval
