"""Pictures of what a selector makes of a clip (Figure 2 of the paper), and how pictures become files."""

import os
from collections.abc import Sequence

import cv2
import numpy as np

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError

_GAP = 2  # pixels of white between rows


def rows_of_frames(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of frames as one picture.

    Args:
        rows: uint8 RGB (frames, H, W, 3) each, all of the same height and total width.

    Returns:
        uint8 RGB (height, width, 3).
    """
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def distilled_beside_uniform(frames: np.ndarray, distilled: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Uniformly sampled frames above the distilled ones, and P below them as a heat map.

    Args:
        frames: the clip, uint8 RGB (T, H, W, 3).
        distilled: Y, uint8 RGB (T_s, H, W, 3).
        matrix: P, (T, T_s); each column is drawn below its frame, with time from left to right, black for 0 and white
            for 1.

    Returns:
        uint8 RGB (height, T_s * W, 3).
    """
    num_frames, num_distilled = np.shape(matrix)
    uniform = frames[np.arange(num_distilled) * num_frames // num_distilled]
    height, width = frames.shape[1:3]
    times = np.arange(width) * num_frames // width
    grey = np.clip(255 * np.asarray(matrix, np.float64)[times], 0, 255).astype(np.uint8)  # (W, T_s)
    strip = np.broadcast_to(grey.T[:, None, :, None], (num_distilled, max(4, height // 8), width, 3))
    gap = np.full((_GAP, num_distilled * width, 3), 255, np.uint8)
    return np.concatenate([rows_of_frames([uniform]), gap, rows_of_frames([distilled]), gap, rows_of_frames([strip])])


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture as a whole file.

    Args:
        path: file to write; its ending, .png or .jpg, names the format.
        picture: uint8 RGB (height, width, 3).

    Raises:
        UserError: the ending is another, or the format cannot hold the picture.
        OSError: the file cannot be written.
    """
    suffix = str(path).lower().rpartition(".")[2]
    if suffix not in ("png", "jpg", "jpeg"):
        raise UserError(f"expected a picture's name that ends in .png or .jpg, got {path}")
    # In memory: given a name that is not UTF-8, OpenCV takes the process down.
    done, contents = cv2.imencode(f".{suffix}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise UserError(f"{path}: a picture of {picture.shape[1]} x {picture.shape[0]} pixels cannot be written")
    files.write(path, contents.tobytes())
