"""Figure 3 as a picture."""

import itertools
import os
from collections.abc import Sequence

from tsd_tf.reporting import figures, names
from tsd_tf.reporting.tables import Entry

_SHAPES = ("o-", "s-.", "^:", "D-.", "v:")  # of I3D, then of other main networks


def draw(
    path: str | os.PathLike,
    panels: Sequence[tuple[str, Sequence[Entry], dict[str, list[tuple[int, float]]]]],
    quality: int,
) -> None:
    """Writes a PNG: a column a data set; above accuracy over processed frames, below over bytes transmitted.

    Args:
        path: of the PNG.
        panels: (title, entries with an accuracy, the paper's curves as {method: [(T_s, top-1), ...]}) of each data set;
            the paper's are dashed and marked as its own, and have no bytes.
        quality: JPEG quality of the bytes; points where it was not measured are left out below.
    """
    shown = [entry for _, entries, _ in panels for entry in entries]
    networks = sorted({entry.main_network for entry in shown} | {names.I3D}, key=names.network_order)
    shapes = dict(zip(networks, itertools.cycle(_SHAPES), strict=False))
    colours = figures.colours(sorted({*names.METHODS, *(entry.method for entry in shown)}, key=names.method_order))
    figure = figures.new(5.5 * len(panels), 8.0)
    axes = figure.subplots(2, len(panels), squeeze=False)
    for (title, entries, papers), frames_axes, bytes_axes in zip(panels, *axes, strict=True):
        frames_axes.set_title(title, fontsize=10)
        for method in ("i3d", "tsd"):
            if method in papers:
                style = {"linestyle": "--", "marker": "x", "alpha": 0.6, "color": colours[method]}
                frames_axes.plot(
                    *zip(*papers[method], strict=True), label=f"{names.method(method)}, the paper's", **style
                )
        frames = [(entry, entry.num_distilled_frames) for entry in entries]
        sizes = [(entry, entry.accuracy.bytes_per_clip.get(f"jpeg_{quality}")) for entry in entries]
        sizes = [(entry, entry.clips * size / 1e3) for entry, size in sizes if size is not None]
        _plot(frames_axes, frames, shapes, colours, "processed frames a clip (T_s)")
        frames_axes.set_xticks(sorted({x for _, x in frames} | {x for line in papers.values() for x, _ in line}))
        _plot(bytes_axes, sizes, shapes, colours, f"kB transmitted a video, as JPEG of quality {quality}")
    figures.save(figure, path)


def _plot(axes, points, shapes, colours, label):
    axes.set_xlabel(label)
    axes.set_ylabel("top-1 accuracy, %")
    axes.grid(alpha=0.3)
    for network, method in dict.fromkeys((entry.main_network, entry.method) for entry, _ in points):
        line = [(x, entry.accuracy) for entry, x in points if (entry.main_network, entry.method) == (network, method)]
        x, y, error = zip(*sorted((x, reached.top1, reached.uncertainty) for x, reached in line), strict=True)
        style = {"color": colours[method], "label": names.method(method, network)}
        axes.errorbar(x, y, error, fmt=shapes[network], capsize=3, **style)
    if lines := axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8 if len(lines) <= 7 else 6)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    if not points:
        axes.text(0.5, 0.5, "no run", ha="center", va="center", transform=axes.transAxes, fontsize=14, color="grey")
