"""Where a distilled frame comes from."""

from typing import NamedTuple


class Source(NamedTuple):
    """A frame of a video with its share in a distilled frame.

    Attributes:
        weight: its entry of P; those of a distilled frame sum to 1.
        time: seconds from the video's beginning.
        frame: its index among the frames of the video, at the clips' rate.
    """

    weight: float
    time: float
    frame: int
