"""A recognised video as one picture: each clip over time, P below it, and the distilled frames."""

import math

import numpy as np

from tsd_tf.reporting import figures
from tsd_tf.reporting.shown_video import ShownVideo
from tsd_tf.video.distilled_clip import DistilledClip

_WIDTH = 10.0  # inches
_FRAMES_A_ROW = 10
_FEWEST_COLUMNS = 7  # of distilled frames: fewer of them are not drawn larger
_MOST_CLIPS = 4
_TITLE, _CAPTION, _ROW_OF_MATRIX = 0.4, 0.35, 0.16  # inches
_OPACITY = 0.65


def draw(video: ShownVideo, times: np.ndarray, heat: np.ndarray | None = None) -> bytes:
    """The picture as a PNG; of a video of more than four clips, the first four.

    Args:
        video: what is shown.
        times: (Q, T), seconds from the video's beginning to each frame of each clip.
        heat: (Q, T_s, height, width), 0 to 1, where in the distilled frames the answer comes from; drawn over them in a
            row of its own. None for no such row.

    Returns:
        The PNG; the same for the same arguments.
    """
    clips = video.clips[:_MOST_CLIPS]
    num_frames, num_distilled = clips[0].transformation_matrix.shape
    columns = max(min(num_distilled, _FRAMES_A_ROW), _FEWEST_COLUMNS)
    rows = math.ceil(num_distilled / _FRAMES_A_ROW) * (1 if heat is None else 2)
    heights = [_WIDTH / _FRAMES_A_ROW + _TITLE, _ROW_OF_MATRIX * num_distilled + _CAPTION]
    heights += [_WIDTH / columns + _CAPTION] * rows
    figure = figures.new(_WIDTH, len(clips) * sum(heights) + _TITLE)
    axes = figure.subplots(len(clips) * len(heights), 1, squeeze=False, height_ratios=heights * len(clips))[:, 0]
    figure.suptitle(f"{video.answer}, {video.score:.0%}: {video.name}", fontsize=12, parse_math=False)
    for number, clip in enumerate(clips):
        of_clip = axes[number * len(heights) : (number + 1) * len(heights)]
        _draw_clip(of_clip[0], clip, times[number])
        _draw_matrix(of_clip[1], clip, times[number])
        _draw_distilled(of_clip[2:], clip, times[number], columns, None if heat is None else heat[number])
    return figures.png(figure)


def _draw_clip(axes, clip: DistilledClip, times: np.ndarray) -> None:
    num_frames = len(clip.frames)
    edges = np.linspace(0, num_frames, min(num_frames, _FRAMES_A_ROW) + 1)
    for left, right in zip(edges, edges[1:], strict=False):
        axes.imshow(clip.frames[int((left + right) / 2)], extent=(left, right, 0, 1), aspect="auto")
    axes.set_xlim(0, num_frames)
    axes.set_title(f"clip from {times[0]:.2f} s: {num_frames} frames", fontsize=9, loc="left")
    axes.axis("off")


def _draw_matrix(axes, clip: DistilledClip, times: np.ndarray) -> None:
    matrix = np.asarray(clip.transformation_matrix)
    num_frames, num_distilled = matrix.shape
    axes.imshow(
        np.sqrt(np.clip(matrix.T, 0, 1)),  # so that 5 % can be told from nothing
        cmap="Blues",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(0, num_frames, num_distilled + 0.5, 0.5),
    )
    shown = np.linspace(0, num_frames - 1, min(num_frames, _FRAMES_A_ROW)).round().astype(int)
    axes.set_xticks(shown + 0.5, [f"{times[index]:.2f} s" for index in shown], fontsize=7)
    axes.set_yticks(range(1, num_distilled + 1), range(1, num_distilled + 1), fontsize=6)
    axes.set_ylabel("P", fontsize=8)


def _draw_distilled(axes, clip: DistilledClip, times: np.ndarray, columns: int, heat: np.ndarray | None) -> None:
    matrix = np.asarray(clip.transformation_matrix)
    layers = [None] if heat is None else [None, heat]
    for row, (first, layer) in enumerate(
        (first, layer) for first in range(0, len(clip.distilled_frames), _FRAMES_A_ROW) for layer in layers
    ):
        axis = axes[row]
        for place, index in enumerate(range(first, min(first + _FRAMES_A_ROW, len(clip.distilled_frames)))):
            extent = (place + 0.02, place + 0.98, 0, 1)
            axis.imshow(clip.distilled_frames[index], extent=extent, aspect="auto")
            if layer is not None:
                axis.imshow(
                    layer[index],
                    extent=extent,
                    aspect="auto",
                    cmap="inferno",
                    vmin=0,
                    vmax=1,
                    alpha=_OPACITY * layer[index],
                )
            strongest = int(matrix[:, index].argmax())
            caption = f"{index + 1}: {matrix[strongest, index]:.0%} of {times[strongest]:.2f} s"
            axis.text(place + 0.5, -0.03, caption, ha="center", va="top", fontsize=7)
        axis.set_xlim(0, columns)
        axis.set_ylim(0, 1)
        axis.axis("off")
