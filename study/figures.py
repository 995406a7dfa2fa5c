"""The study's pictures."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Patch

from study import results, tables, winners
from tsd_tf.reporting import bytes_picture, figures, names, paired_comparison

_COLOURS = figures.colours(names.METHODS)
_EXAMPLES = 3
_FULL_LEAD = 0.15  # a lead of so many points of accuracy has the method's full colour


def write(found: Mapping[str, Any], output_dir: str | os.PathLike) -> None:
    """Draws those that there are results for: figure3_frames, figure3_bytes, figure2_matrices and map, as PNG.

    Args:
        found: what study.results.read returns.
        output_dir: folder.
    """
    output_dir = pathlib.Path(output_dir)
    rows, settings = results.rows(found), found["settings"]
    if of_table2 := tables.group(rows, "table2"):
        _accuracy_over_frames(of_table2, settings["clips"], output_dir / "figure3_frames.png")
        _heat_maps(of_table2, output_dir / "figure2_matrices.png")
    if of_bytes := [cell for cell in found["cells"] if "codings" in cell]:
        _accuracy_over_bytes(of_bytes, output_dir / "figure3_bytes.png")
    if won := winners.find(rows, settings):
        _map(won, output_dir / "map.png")


def write_frames(frames: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
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


def _accuracy_over_frames(rows, clips, path):
    figure = figures.new(5.2, 3.6)
    axis = figure.subplots()
    for method, name in names.METHODS.items():
        mine = tables.select(rows, method=method)
        # The longest clips of each T_s, as the paper draws it; I3D has no other.
        longest = {row["Ts"]: max(other["T"] for other in tables.select(mine, Ts=row["Ts"])) for row in mine}
        if not longest:
            continue
        found = [
            paired_comparison.mean_and_deviation(
                tables.accuracies(tables.select(mine, Ts=count, T=longest[count]), clips)
            )
            for count in sorted(longest)
        ]
        means = [100 * mean for mean, _ in found]
        errors = [100 * (deviation or 0.0) for _, deviation in found]
        axis.errorbar(sorted(longest), means, errors, marker="o", capsize=3, color=_COLOURS[method], label=name)
    axis.set_xlabel("frames that the main network sees, T_s")
    axis.set_ylabel("top-1, %")
    axis.set_xticks(sorted({row["Ts"] for row in rows}))
    axis.set_ylim(0, 100)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    figures.save(figure, path)


def _accuracy_over_bytes(cells, path):
    """Means over the seeds; their standard errors are those of all seeds' videos together."""
    mean = [
        {
            **entries[0],
            "bytes_per_clip": float(np.mean([entry["bytes_per_clip"] for entry in entries])),
            "top1": float(np.mean([entry["top1"] for entry in entries])),
            "top1_standard_error": float(np.linalg.norm([entry["top1_standard_error"] for entry in entries]))
            / len(entries),
        }
        for entries in zip(*(cell["codings"] for cell in cells), strict=True)
    ]
    seeds = f"{len(cells)} seed{'s' * (len(cells) > 1)}"
    title = f"I3D+TSD, {cells[0]['T']} to {cells[0]['Ts']} frames, one clip a video, {seeds}"
    bytes_picture.draw(path, [(title, mean)])


def _heat_maps(rows, path):
    """P over time, the true event between two lines."""
    mine = [row for row in tables.select(rows, method="tsd") if row.get("matrix", {}).get("examples")]
    shown = [row for row in mine if row["seed"] == mine[0]["seed"]]
    if not shown:
        return
    figure = figures.new(3.4 * _EXAMPLES, 1.2 + 1.3 * len(shown))
    axes = figure.subplots(len(shown), _EXAMPLES, squeeze=False)
    for line, row in zip(axes, shown, strict=True):
        line[0].set_ylabel(f"T={row['T']}, T_s={row['Ts']}\ncolumn of P", fontsize=8)
        for axis, example in zip(line, row["matrix"]["examples"], strict=False):
            matrix = np.asarray(example["P"])
            axis.imshow(matrix.T, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            for edge in (example["event"][0] - 0.5, example["event"][-1] + 0.5):
                axis.axvline(edge, color="#40e0d0", linewidth=1.5)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.tick_params(labelsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("frame of the clip (event between the lines)", fontsize=8)
    figures.save(figure, path)


def _map(found: Sequence[winners.Winner], path):
    """A panel for each Q: the winner's colour, the paler the smaller its lead; hatched where the lead is open."""
    counts = sorted({one.clips for one in found})
    events = sorted({one.event_frames for one in found})
    distilled = sorted({one.num_distilled_frames for one in found})
    figure = figures.new(1.0 + 2.9 * len(counts), 1.3 + 0.7 * len(events))
    panels = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
    for panel, clips in zip(panels, counts, strict=True):
        for one in found:
            if one.clips == clips:
                _tile(panel, distilled.index(one.num_distilled_frames), events.index(one.event_frames), one)
        panel.set_xlim(-0.5, len(distilled) - 0.5)
        panel.set_ylim(-0.5, len(events) - 0.5)
        panel.set_xticks(range(len(distilled)), distilled)
        panel.set_yticks(range(len(events)), events)
        panel.set_title(f"Q = {clips}", fontsize=10)
        panel.set_xlabel("frames that are sent, T_s")
    panels[0].set_ylabel("frames of the event")
    present = [method for method in names.METHODS if any(one.method == method for one in found)]
    keys = [Patch(color=_COLOURS[method], label=names.METHODS[method]) for method in present]
    keys.append(Patch(facecolor="white", edgecolor="grey", hatch="///", label="lead below 2\nstandard errors"))
    panels[-1].legend(handles=keys, fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    figures.save(figure, path)


def _tile(panel, x, y, winner):
    strength = 0.25 + 0.75 * min(1.0, winner.lead / _FULL_LEAD)
    hatch = None if winner.is_clear else "///"
    style = {"alpha": strength, "facecolor": _COLOURS[winner.method], "edgecolor": "white", "hatch": hatch}
    panel.bar(x, 0.96, 0.96, y - 0.48, **style)
    text = f"{names.METHODS[winner.method]}\n{100 * winner.lead:+.1f}"
    panel.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if strength > 0.7 else "black")
