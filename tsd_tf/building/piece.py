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
        return len(self.tasks)

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
            given_up: {position among the tasks: reason} of rows to leave out as unreadable, without another try.
            report: called with the number of finished rows after each but the last.

        Raises:
            OSError: it cannot be written.
        """
        outcomes = []
        with files.whole_file(self.path) as file:
            for position, task in enumerate(self.tasks):
                if position in given_up:
                    record, outcome = None, conversion.Outcome(conversion.UNREADABLE, given_up[position], 0)
                else:
                    record, outcome = conversion.convert(task, self.settings)
                outcomes.append(outcome)
                if record is not None:
                    file.write(tfrecord.frame(record))
                if position + 1 < len(self):
                    report(position + 1)
        files.write_json(self.outcomes_path, [dataclasses.astuple(item) for item in outcomes])
