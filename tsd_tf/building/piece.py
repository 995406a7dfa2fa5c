"""The unit of work: a few rows, converted one after the other."""

import dataclasses
import pathlib

from tsd_tf.building import annotations, conversion
from tsd_tf.contract import files
from tsd_tf.data import tfrecord


@dataclasses.dataclass(frozen=True)
class Task:
    """One row whose video is there.

    Attributes:
        number: of the row in the annotation list, from 0.
        row: annotations.Row.
        path: the video file.
        data_path: the same, relative to the folder of videos.
        time_start, time_end: seconds in this file; time_end None for its end.
    """

    number: int
    row: annotations.Row
    path: str
    data_path: str
    time_start: float
    time_end: float | None


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some rows of a part: what one worker process writes in one go, and what a kill loses at most.

    Attributes:
        working_dir: pathlib.Path of the folder in which the build works.
        part: number of its part.
        index: from 0 within the part.
        tasks: tuple of Task.
        settings: conversion.Settings.
    """

    working_dir: pathlib.Path
    part: int
    index: int
    tasks: tuple
    settings: conversion.Settings

    def __len__(self):
        return len(self.tasks)

    @property
    def path(self):
        """Framed records; `<path>.json`, which comes last, the outcomes of all rows."""
        return self.working_dir / f"part-{self.part:05d}-{self.index:05d}"

    @property
    def outcomes_path(self):
        return self.path.with_suffix(".json")

    def is_finished(self):
        return self.outcomes_path.exists()

    def run(self, given_up, report):
        """Writes the piece.

        Args:
            given_up: {position among the tasks: reason}: rows that are left out as unreadable, untried.
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
                    record, outcome = conversion.convert(
                        task.row, task.path, task.data_path, task.time_start, task.time_end, self.settings
                    )
                outcomes.append(outcome)
                if record is not None:
                    file.write(tfrecord.frame(record))
                if position + 1 < len(self):
                    report(position + 1)
        files.write_json(self.outcomes_path, [dataclasses.astuple(item) for item in outcomes])
