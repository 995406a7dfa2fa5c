"""Figure 3 as a picture."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tsd_tf.reporting import paper

_COLOURS = dict(zip(paper.METHODS, ("tab:blue", "tab:green", "tab:purple", "tab:orange", "tab:red"), strict=True))


def draw(file, panels, quality):
    """Writes a PNG: a column a data set; above accuracy over processed frames, below over bytes transmitted.

    Args:
        file: open for writing bytes.
        panels: list of (title, list of Entry, the paper's curves as {method: [(T_s, top-1), ...]}); the paper's are
            dashed and marked as its own, and have no bytes.
        quality: JPEG quality of the bytes; points where it was not measured are left out below.
    """
    figure = Figure(figsize=(5.5 * len(panels), 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(panels), squeeze=False)
    for (title, entries, papers), frames_axes, bytes_axes in zip(panels, *axes, strict=True):
        frames_axes.set_title(title, fontsize=10)
        frames = [(entry, entry.num_distilled_frames) for entry in entries]
        sizes = [(entry, entry.cell.bytes_per_clip.get(f"jpeg_{quality}")) for entry in entries]
        sizes = [(entry, entry.clips * size / 1e3) for entry, size in sizes if size is not None]
        _plot(frames_axes, frames, papers, "processed frames a clip (T_s)")
        frames_axes.set_xticks(sorted({x for _, x in frames} | {x for line in papers.values() for x, _ in line}))
        _plot(bytes_axes, sizes, {}, f"kB transmitted a video, as JPEG of quality {quality}")
    figure.savefig(file, format="png", dpi=120)


def _plot(axes, points, papers, label):
    axes.set_xlabel(label)
    axes.set_ylabel("top-1 accuracy, %")
    axes.grid(alpha=0.3)
    for method, name in paper.METHODS.items():
        line = sorted((x, entry.cell.top1, entry.cell.uncertainty) for entry, x in points if entry.method == method)
        if line:
            x, y, error = zip(*line, strict=True)
            axes.errorbar(x, y, error, label=name, color=_COLOURS[method], marker="o", capsize=3)
    for method in ("i3d", "tsd"):
        if method in papers:
            style = {"linestyle": "--", "marker": "x", "alpha": 0.6}
            axes.plot(*zip(*papers[method], strict=True), label=f"{paper.METHODS[method]}, the paper's", **style)
            axes.lines[-1].set_color(_COLOURS[method])
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    if not points:
        axes.text(0.5, 0.5, "no run", ha="center", va="center", transform=axes.transAxes, fontsize=14, color="grey")
