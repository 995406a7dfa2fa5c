"""Clips of a video, spread evenly over it."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

_MOST_KEPT_BYTES = 512 << 20  # of a longer video, the frames that are needed are decoded once more


class VideoClip(NamedTuple):
    """A clip of a video.

    Attributes:
        indices: of its frames among those of the video, (T,).
        frames: uint8 (T, height, width, 3).
    """

    indices: np.ndarray
    frames: np.ndarray


def evenly(read: Callable[[], Iterable[np.ndarray]], num_frames: int, num_clips: int) -> list[VideoClip]:
    """Clips that start at equal distances, the first with the video, the last ending with it; a single one is the
    middle.

    A video shorter than a clip is looped, as in evaluation.

    Args:
        read: gives the frames of the video, uint8 (height, width, 3) each; called a second time for a long one.
        num_frames: T.
        num_clips: how many; at least 1. Fewer come of a video that has not as many different ones.

    Returns:
        The clips in time; none of a video without frames.
    """
    kept: list[np.ndarray] = []
    length, num_bytes = 0, 0
    for frame in read():
        length += 1
        num_bytes += frame.nbytes
        if num_bytes <= _MOST_KEPT_BYTES:
            kept.append(frame)
    if not length:
        return []
    starts = _starts(length, num_frames, num_clips)
    clips = (starts[:, None] + np.arange(num_frames)) % length
    frames: dict[int, np.ndarray] | Sequence[np.ndarray] = kept
    if len(kept) < length:
        kept.clear()
        needed = set(clips.flat)
        frames = {index: frame for index, frame in enumerate(read()) if index in needed}
    return [VideoClip(indices, np.stack([frames[index] for index in indices.tolist()])) for indices in clips]


def _starts(length: int, num_frames: int, num_clips: int) -> np.ndarray:
    last = max(length - num_frames, 0)
    if num_clips == 1:
        return np.array([last // 2])
    return np.unique(np.linspace(0, last, num_clips).round().astype(int))
