"""A recognised video, as a page shows it."""

import dataclasses
from collections.abc import Sequence

from tsd_tf.video.distilled_clip import DistilledClip


@dataclasses.dataclass(frozen=True)
class ShownVideo:
    """A video, what the client made of it, the answer, and the truth where it is known.

    Attributes:
        name: of the video.
        answer: the likeliest class.
        score: its probability, 0 to 1.
        clips: those that were asked about, in time.
        truth: the true class, or None.
        event: the frames of the video that show it, or None: indices as those of DistilledClip.start.
        note: a sentence more, as of the bytes that were sent; may be empty.
    """

    name: str
    answer: str
    score: float
    clips: Sequence[DistilledClip]
    truth: str | None = None
    event: range | None = None
    note: str = ""

    @property
    def is_right(self) -> bool | None:
        """Whether the answer is the truth; None where that is not known."""
        return None if self.truth is None else self.answer == self.truth

    @property
    def in_words(self) -> str:
        """A line for a terminal: the truth, or else the video's name, and the answer."""
        verdict = {None: "", True: ", which is right", False: ", which is wrong"}[self.is_right]
        return f"{self.truth or self.name}: {self.answer}, {self.score:.0%} sure{verdict}"
