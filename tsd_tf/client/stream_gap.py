"""A pause that nobody wanted."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class StreamGap:
    """What is missing of a camera or a stream that stalled or dropped, and was opened again.

    Attributes:
        source: "camera 0", or the stream's URL.
        start: seconds from the beginning to the gap.
        seconds: that it took.
        frames: that were lost, with those before it that made no whole clip.
        reason: what happened.
    """

    source: str
    start: float
    seconds: float
    frames: int
    reason: str
