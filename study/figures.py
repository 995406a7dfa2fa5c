"""The study's pictures."""

import os
import pathlib
from typing import Any

import numpy as np

from study import statistics, tables
from tsd_tf.reporting import figures, names

_COLOURS = figures.colours(names.METHODS)
_EXAMPLES = 3


def write(results: dict[str, Any], output_dir: str | os.PathLike) -> None:
    """Draws figure3_frames.png, figure2_matrices.png and, where bytes were counted, figure3_bytes.png.

    Args:
        results: what study.results.read returns.
        output_dir: folder.
    """
    output_dir = pathlib.Path(output_dir)
    cells = tables.group([cell for cell in results["cells"] if "tests" in cell], "table2")
    clips = results["settings"]["clips"]
    _accuracy_over_frames(cells, clips, output_dir / "figure3_frames.png")
    _accuracy_over_bytes(cells, output_dir / "figure3_bytes.png")
    _heat_maps(cells, output_dir / "figure2_matrices.png")


def write_frames(frames: dict[str, np.ndarray], path: str | os.PathLike) -> None:
    """Figure 2's frames: rows of pictures, under each other.

    Args:
        frames: {title: uint8 (n, height, width, 3)}.
        path: of the PNG.
    """
    columns = max(len(row) for row in frames.values())
    figure = figures.new(1.3 * columns + 1.6, 1.35 * len(frames))
    axes = figure.subplots(len(frames), columns, squeeze=False)
    for row, (title, pictures) in zip(axes, frames.items(), strict=True):
        row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
        for place, axis in enumerate(row):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
            if place < len(pictures):
                axis.imshow(pictures[place], interpolation="nearest")
    figures.save(figure, path)


def _accuracy_over_frames(cells, clips, path):
    figure = figures.new(5.2, 3.6)
    axis = figure.subplots()
    for method, name in names.METHODS.items():
        mine = [cell for cell in cells if cell["method"] == method]
        # The longest clips of each T_s, as the paper draws it; I3D has no other.
        longest = {cell["Ts"]: max(c["T"] for c in mine if c["Ts"] == cell["Ts"]) for cell in mine}
        counts = sorted(longest)
        found = [
            statistics.mean_and_deviation(
                tables.accuracies([c for c in mine if (c["Ts"], c["T"]) == (count, longest[count])], clips)
            )
            for count in counts
        ]
        means = [100 * mean for mean, _ in found]
        errors = [100 * (deviation or 0.0) for _, deviation in found]
        axis.errorbar(counts, means, errors, marker="o", capsize=3, color=_COLOURS[method], label=name)
    axis.set_xlabel("frames that the main network sees, T_s")
    axis.set_ylabel("top-1, %")
    axis.set_xticks(sorted({cell["Ts"] for cell in cells}))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    figures.save(figure, path)


def _accuracy_over_bytes(cells, path):
    found = [cell for cell in cells if "compression" in cell]
    if not found:
        return
    figure = figures.new(5.6, 3.8)
    axis = figure.subplots()
    lines = sorted({(cell["method"], cell["T"], cell["Ts"]) for cell in found}, key=lambda line: (line[0], line[1]))
    styles = ("-", "--", ":")
    for method, length, distilled in lines:
        these = [c["compression"] for c in found if (c["method"], c["T"], c["Ts"]) == (method, length, distilled)]
        entries = list(zip(*these, strict=True))
        points = {
            entry[0]["coding"]: (
                np.mean([seed["bytes"] for seed in entry]),
                100 * np.mean([seed["top1"] for seed in entry]),
            )
            for entry in entries
        }
        jpeg = [point for coding, point in points.items() if coding.startswith("JPEG")]
        style = styles[[line for line in lines if line[0] == method].index((method, length, distilled)) % len(styles)]
        title = f"{names.METHODS[method]}, {length} to {distilled}"
        axis.plot(*zip(*jpeg, strict=True), style, marker=".", color=_COLOURS[method], label=f"{title}: frames as JPEG")
        videos = [point for coding, point in points.items() if coding.startswith("H.264")]
        axis.plot(*zip(*videos, strict=True), style, marker="s", mfc="none", color=_COLOURS[method], linewidth=0.6)
    axis.plot([], [], "ks-", mfc="none", linewidth=0.6, label="the whole clip as H.264")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")
    axis.set_xlabel("bytes a clip")
    axis.set_ylabel("top-1 of one clip, %")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=6)
    axis.grid(alpha=0.3, which="both")
    figures.save(figure, path)


def _heat_maps(cells, path):
    """P over time, the true event between two lines."""
    first = min(cell["seed"] for cell in cells)
    shown = [cell for cell in cells if cell["method"] == "tsd" and cell["seed"] == first]
    figure = figures.new(3.4 * _EXAMPLES, 1.2 + 1.3 * len(shown))
    axes = figure.subplots(len(shown), _EXAMPLES, squeeze=False)
    for row, cell in zip(axes, shown, strict=True):
        row[0].set_ylabel(f"T={cell['T']}, T_s={cell['Ts']}\ncolumn of P", fontsize=8)
        for axis, example in zip(row, cell["matrix"]["examples"], strict=False):
            matrix = np.asarray(example["P"])
            axis.imshow(matrix.T, aspect="auto", cmap="magma", vmin=0, interpolation="nearest")
            for edge in (example["event"][0] - 0.5, example["event"][-1] + 0.5):
                axis.axvline(edge, color="#40e0d0", linewidth=1.5)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.tick_params(labelsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("frame of the clip (event between the lines)", fontsize=8)
    figures.save(figure, path)
