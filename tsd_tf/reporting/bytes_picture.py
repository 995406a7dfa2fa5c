"""Accuracy over the bytes that travel, as a picture."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tsd_tf.reporting import figures, names

_SHAPES = {"distilled": "o-", "whole_clip": "s--", "whole_clip_uniform": "^:", "uniform": "v-."}


def draw(path: str | os.PathLike, panels: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
    """Writes a PNG: a panel a test, a curve for each codec and what is sent; raw frames are a level.

    Args:
        path: of the PNG.
        panels: (title, codings) of each test; codings as in accuracy_over_bytes.
    """
    codecs = sorted({coding["codec"] for _, codings in panels for coding in codings})
    colours = {codec: f"C{number % 10}" for number, codec in enumerate(codecs)}
    figure = figures.new(7.0, 4.6 * len(panels))
    for (title, codings), axes in zip(panels, figure.subplots(len(panels), squeeze=False)[:, 0], strict=True):
        axes.set_title(title, fontsize=10)
        for what, codec in dict.fromkeys((coding["what"], coding["codec"]) for coding in codings):
            these = [coding for coding in codings if (coding["what"], coding["codec"]) == (what, codec)]
            if (what, codec) == ("distilled", "raw"):
                _level(axes, these[0])
            elif codec != "raw":
                _curve(axes, these, _SHAPES[what], colours[codec], f"{names.SENT[what]}: {codec}")
        axes.set_xscale("log")
        axes.set_xlabel("bytes a clip")
        axes.set_ylabel("top-1 accuracy, %")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    figures.save(figure, path)


def _level(axes, raw):
    top1, error = 100 * raw["top1"], 100 * raw["top1_standard_error"]
    axes.axhline(top1, color="grey", linewidth=1, label=f"distilled frames, raw ({raw['bytes_per_clip']:,.0f} bytes)")
    axes.axhspan(top1 - error, top1 + error, color="grey", alpha=0.15)


def _curve(axes, codings, shape, colour, label):
    points = sorted((coding["bytes_per_clip"], coding["top1"], coding["top1_standard_error"]) for coding in codings)
    x, y, errors = zip(*((size, 100 * top1, 100 * error) for size, top1, error in points), strict=True)
    axes.errorbar(x, y, errors, fmt=shape, capsize=3, markersize=4, color=colour, label=label)
