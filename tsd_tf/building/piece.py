"""The unit of work: a few rows, converted one after the other."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

from tsd_tf.building import conversion
from tsd_tf.contract import files
from tsd_tf.data import tfrecord


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some rows of a part: what one worker process writes in one go. A kill loses no more than this.

    Its steps are the files to try, of one row after the other.

    Attributes:
        working_dir: the folder in which the build works.
        part: number of its part.
        index: from 0 within the part.
        tasks: its rows.
        settings: how frames are stored.
    """

    working_dir: pathlib.Path
    part: int
    index: int
    tasks: tuple[conversion.Task, ...]
    settings: conversion.Settings

    def __len__(self) -> int:
        """Number of steps."""
        return sum(len(task.candidates) for task in self.tasks)

    @property
    def path(self) -> pathlib.Path:
        """Framed records; `<path>.json`, which is written last, holds the outcomes of all rows."""
        return self.working_dir / f"part-{self.part:05d}-{self.index:05d}"

    @property
    def outcomes_path(self) -> pathlib.Path:
        return self.path.with_suffix(".json")

    def is_finished(self) -> bool:
        return self.outcomes_path.exists()

    def run(self, given_up: Mapping[int, str], report: Callable[[int], None]) -> None:
        """Writes the piece.

        Args:
            given_up: {step: reason} of files to take as unreadable, without another try.
            report: called with the number of finished steps after each but the last.

        Raises:
            OSError: it cannot be written.
        """
        outcomes = []
        step = 0
        with files.whole_file(self.path) as file:
            for task in self.tasks:
                end = step + len(task.candidates)
                tried: list[conversion.Outcome] = []
                record: bytes | None = None  # the best one's alone: each may have hundreds of megabytes
                for candidate in task.candidates:
                    if step in given_up:
                        reason = given_up[step]
                        outcome = conversion.Outcome(conversion.UNREADABLE, reason, 0, data_path=candidate.data_path)
                        found = None
                    else:
                        found, outcome = conversion.convert(task.row, candidate, self.settings)
                    tried.append(outcome)
                    if conversion.best(tried) is outcome:
                        record = found
                    found = None
                    is_whole = outcome.status == conversion.WRITTEN
                    step = end if is_whole else step + 1
                    if step < len(self):
                        report(step)
                    if is_whole:
                        break
                outcome = conversion.summary(tried)
                if record is not None:
                    try:
                        framed = tfrecord.frame(record)
                    except MemoryError:
                        outcome = dataclasses.replace(
                            outcome, status=conversion.UNREADABLE, reason=conversion.NO_MEMORY, num_frames=0
                        )
                    else:
                        file.write(framed)
                        del framed
                outcomes.append(outcome)
        files.write_json(self.outcomes_path, [dataclasses.astuple(item) for item in outcomes])
