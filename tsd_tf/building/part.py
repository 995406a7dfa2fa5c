"""What becomes a shard: its pieces, one after the other."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable, Mapping

from tsd_tf.building import conversion
from tsd_tf.building.piece import Piece
from tsd_tf.contract import files

# Videos. Each takes a second or less, so a kill loses little, and all workers end at about the same time.
PIECE_LENGTH = 4


@dataclasses.dataclass(frozen=True)
class Part:
    """The rows of one shard.

    Attributes:
        working_dir: the folder in which the build works.
        number: from 0.
        tasks: in the order of their records.
        settings: how frames are stored.
    """

    working_dir: pathlib.Path
    number: int
    tasks: tuple[conversion.Task, ...]
    settings: conversion.Settings

    def __len__(self) -> int:
        """Number of pieces."""
        return -(-len(self.tasks) // PIECE_LENGTH)

    @property
    def num_files(self) -> int:
        """Files to try, of all rows."""
        return sum(len(task.candidates) for task in self.tasks)

    @property
    def path(self) -> pathlib.Path:
        """The whole part; `<path>.json`, which is written last, holds the outcomes of all its rows."""
        return self.working_dir / f"part-{self.number:05d}"

    @property
    def outcomes_path(self) -> pathlib.Path:
        return self.path.with_suffix(".json")

    def is_finished(self) -> bool:
        return self.outcomes_path.exists()

    def outcomes(self) -> list[conversion.Outcome]:
        """The outcome of each task; the part must be finished."""
        return [conversion.Outcome(*item) for item in json.loads(self.outcomes_path.read_text())]

    def piece(self, index: int) -> Piece:
        """The piece with this index, from 0."""
        tasks = self.tasks[index * PIECE_LENGTH : (index + 1) * PIECE_LENGTH]
        return Piece(self.working_dir, self.number, index, tasks, self.settings)

    def pieces(self) -> list[Piece]:
        """All pieces, finished or not."""
        return [self.piece(index) for index in range(len(self))]

    def run(self, given_up: Mapping[int, str], report: Callable[[int], None]) -> None:
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
