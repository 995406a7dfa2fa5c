"""What became of the clips of a run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Tally:
    """Counts since a Recognizer was made.

    Attributes:
        clips: that were captured.
        answered: of them, by the server.
        lost: of them, given up; what is neither was under way when the run was ended.
        retries: how often a request was sent again because the server was away or busy.
        reopened: how often a camera or stream was opened again.
        frames_lost: that a camera or stream should have delivered in the meantime, or that made no whole clip.
        seconds_lost: for how long it delivered nothing.
    """

    clips: int = 0
    answered: int = 0
    lost: int = 0
    retries: int = 0
    reopened: int = 0
    frames_lost: int = 0
    seconds_lost: float = 0.0

    def in_words(self) -> str:
        """One line, for whoever looks at the end of a run."""
        under_way = self.clips - self.answered - self.lost
        parts = [f"{self.answered} of {self.clips} clips answered", f"{self.lost} lost"]
        if under_way:
            parts.append(f"{under_way} under way")
        parts.append(f"{self.retries} requests sent again")
        if self.reopened or self.frames_lost:
            parts.append(
                f"opened again {self.reopened} times, {self.frames_lost} frames lost in {self.seconds_lost:.1f} s"
            )
        return ", ".join(parts)
