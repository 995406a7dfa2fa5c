"""The confusion matrix as a table and as a picture."""

import os
from collections.abc import Sequence

import numpy as np

from tsd_tf.reporting import figures
from tsd_tf.reporting.table import Table

_NAMED = 40  # classes whose names can be read beside the picture
_NUMBERED = 20  # classes whose counts can be read inside it


def table(matrix: np.ndarray, labels: Sequence[str]) -> Table:
    """The matrix as a Table: a row a class, and a column for each class that its videos were taken for."""
    return Table(("class", *labels), [(label, *map(int, row)) for label, row in zip(labels, matrix, strict=True)])


def draw(path: str | os.PathLike, matrix: np.ndarray, labels: Sequence[str], title: str) -> None:
    """Writes a PNG of the matrix, every row divided by the videos of its class.

    Args:
        path: of the PNG.
        matrix: (num_classes, num_classes) counts, rows the true classes.
        labels: the class names, by label.
        title: what the picture is of.
    """
    videos = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, videos, out=np.full(matrix.shape, np.nan), where=videos > 0)
    named = len(labels) <= _NAMED
    size = 3.5 + 0.32 * len(labels) if named else 11.0
    figure = figures.new(size + 1, size)
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    figure.colorbar(picture, ax=axes, label="share of the class's videos", fraction=0.04, pad=0.02)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("recognised as" if named else "recognised as (label index)")
    axes.set_ylabel("class" if named else "class (label index)")
    if named:
        places = range(len(labels))
        axes.set_xticks(places, labels, rotation=90)
        axes.set_yticks(places, labels)
    if len(labels) <= _NUMBERED:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    figures.save(figure, path)
