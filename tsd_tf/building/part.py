"""The later shard: its pieces, one behind the other."""

import dataclasses
import json
import pathlib
import shutil

from tsd_tf.building import conversion
from tsd_tf.building.piece import Piece
from tsd_tf.contract import files

# Videos. At a second or less for each, a kill loses little, and all workers end at about the same time.
PIECE_LENGTH = 4


@dataclasses.dataclass(frozen=True)
class Part:
    """The rows of one shard.

    Attributes:
        working_dir: pathlib.Path of the folder in which the build works.
        number: from 0.
        tasks: tuple of piece.Task, in the order of their records.
        settings: conversion.Settings.
    """

    working_dir: pathlib.Path
    number: int
    tasks: tuple
    settings: conversion.Settings

    def __len__(self):
        """Number of pieces."""
        return -(-len(self.tasks) // PIECE_LENGTH)

    @property
    def path(self):
        """The whole part; `<path>.json`, which comes last, the outcomes of all its rows."""
        return self.working_dir / f"part-{self.number:05d}"

    @property
    def outcomes_path(self):
        return self.path.with_suffix(".json")

    def is_finished(self):
        return self.outcomes_path.exists()

    def outcomes(self):
        """conversion.Outcome of each of the tasks; the part must be finished."""
        return [conversion.Outcome(*item) for item in json.loads(self.outcomes_path.read_text())]

    def piece(self, index):
        """The piece of this index, from 0."""
        tasks = self.tasks[index * PIECE_LENGTH : (index + 1) * PIECE_LENGTH]
        return Piece(self.working_dir, self.number, index, tasks, self.settings)

    def pieces(self):
        """All pieces, finished or not."""
        return [self.piece(index) for index in range(len(self))]

    def run(self, given_up, report):
        """Joins the pieces, all of which must be finished, and removes them.

        Args:
            given_up: empty; there is nothing to leave out.
            report: called with the number of joined pieces after each but the last.

        Raises:
            OSError: it cannot be written.
        """
        if self.is_finished():
            return
        outcomes = []
        with files.whole_file(self.path) as whole:
            for index, piece in enumerate(self.pieces()):
                outcomes += json.loads(piece.outcomes_path.read_text())
                with open(piece.path, "rb") as file:
                    shutil.copyfileobj(file, whole, 1 << 20)
                if index + 1 < len(self):
                    report(index + 1)
        files.write_json(self.outcomes_path, outcomes)
        for piece in self.pieces():
            piece.path.unlink(missing_ok=True)
            piece.outcomes_path.unlink(missing_ok=True)
