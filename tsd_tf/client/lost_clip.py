"""A clip that was given up."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class LostClip:
    """A clip of a camera or a stream that nobody answered.

    Attributes:
        source: "camera 0", or the stream's URL.
        start: seconds from the beginning to the clip.
        reason: why.
    """

    source: str
    start: float
    reason: str
