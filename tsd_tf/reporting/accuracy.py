"""What a table shows of its runs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What one or several runs of one setting reached, in percent.

    Attributes:
        top1: mean over runs.
        standard_deviation: over runs (of a sample: divided by n - 1); None of one run.
        standard_error: of one run, from its number of videos; None of several.
        runs: how many.
        bytes_per_clip: mean over runs, by coding, of the codings that all of them measured.
        is_chosen_on_test: whether the weights of one of them were chosen on the videos that they were tested on.
    """

    top1: float
    standard_deviation: float | None
    standard_error: float | None
    runs: int
    bytes_per_clip: dict[str, float]
    is_chosen_on_test: bool = False

    @property
    def uncertainty(self) -> float | None:
        """The standard deviation over runs, or the standard error of the only one."""
        return self.standard_error if self.standard_deviation is None else self.standard_deviation
