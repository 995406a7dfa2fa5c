"""The style of every picture: its colours, how it is made without a screen, and how it is saved."""

import io
import itertools
import os
from collections.abc import Iterable

from matplotlib.figure import Figure

from tsd_tf.contract import files

_COLOURS = {"i3d": "#7f7f7f", "i3d_a": "#9467bd", "i3d_r": "#8c564b", "i3d_e": "#1f77b4", "tsd": "#d62728"}
_FURTHER = ("#2ca02c", "#ff7f0e", "#17becf", "#e377c2", "#bcbd22")


def colours(methods: Iterable[str]) -> dict[str, str]:
    """{method: colour} of `methods`; the paper's always have the same ones."""
    further = itertools.cycle(_FURTHER)
    return {method: _COLOURS.get(method) or next(further) for method in methods}


def new(width: float, height: float) -> Figure:
    """An empty picture, its size in inches."""
    return Figure(figsize=(width, height))


def png(figure: Figure) -> bytes:
    """The picture as a PNG, whose bytes depend on nothing but what it shows."""
    figure.tight_layout()
    contents = io.BytesIO()
    # Without the version of matplotlib, which is written by default.
    figure.savefig(contents, format="png", dpi=110, metadata={"Software": None})
    return contents.getvalue()


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes the picture as a whole PNG; see `png`."""
    files.write(path, png(figure))
