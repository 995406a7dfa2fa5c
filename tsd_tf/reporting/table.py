"""A table of results."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, to be written as Markdown or as CSV.

    Attributes:
        header: column titles.
        rows: one sequence of values a row; None is an empty cell.
        title: heading of the Markdown; none where it is empty.
        note: below the Markdown; none where it is empty.
        name: of its CSV file, without the extension.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    note: str = ""
    name: str = ""

    def markdown(self, aligned: bool = True) -> str:
        """The table with its title and its note.

        Args:
            aligned: pads the cells, so that the columns stand below each other in plain text.
        """
        cells = [["" if value is None else str(value) for value in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) if aligned else 0 for column in zip(*cells, strict=True)]
        rule = ["-" * (width or 3) for width in widths]
        lines = "\n".join(_line(row, widths) for row in (cells[0], rule, *cells[1:]))
        title = f"## {self.title}" if self.title else ""
        return "\n\n".join(part for part in (title, lines, self.note) if part) + "\n"

    def csv(self) -> str:
        """The table without title and note, as CSV with a header."""
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([self.header, *self.rows])
        return stream.getvalue()


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
