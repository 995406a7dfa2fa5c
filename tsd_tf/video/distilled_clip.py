"""A clip and what the client half makes of it, in memory and as a file."""

import dataclasses
import os
import zipfile
from collections.abc import Sequence

import numpy as np

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError


@dataclasses.dataclass(frozen=True)
class DistilledClip:
    """A clip X, the matrix P that the client half made for it, and Y = XP.

    Attributes:
        start: index of its first frame among the frames of the video, at the clips' rate.
        frames: X, uint8 RGB (T, H, W, 3).
        transformation_matrix: P, float32 (T, T_s); its columns sum to 1.
        distilled_frames: Y, uint8 RGB (T_s, H, W, 3).
    """

    start: int
    frames: np.ndarray
    transformation_matrix: np.ndarray
    distilled_frames: np.ndarray


_FIELDS = tuple(field.name for field in dataclasses.fields(DistilledClip))


def write(path: str | os.PathLike, clips: Sequence[DistilledClip]) -> None:
    """Writes the clips of a video as a whole NumPy .npz: an array a field, the clips along its first axis.

    Raises:
        OSError: the file cannot be written.
    """
    with files.whole_file(path) as file:
        np.savez_compressed(file, **{name: np.stack([getattr(clip, name) for clip in clips]) for name in _FIELDS})


def read(path: str | os.PathLike) -> list[DistilledClip]:
    """The clips that `write` wrote.

    Raises:
        UserError: the file is another one.
        OSError: it cannot be read.
    """
    try:
        with np.load(path) as arrays:
            start, *others = (arrays[name] for name in _FIELDS)
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} holds no clips of a client: {error}") from error
    return [DistilledClip(int(first), *rest) for first, *rest in zip(start, *others, strict=True)]
