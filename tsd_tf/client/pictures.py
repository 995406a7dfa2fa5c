"""Distilled frames as a picture to look at."""

import os
import pathlib

import cv2

from tsd_tf.errors import UserError
from tsd_tf.pictures import rows_of_frames


def save(clips, path):
    """Writes distilled clips as one picture: a row a clip, a column a frame.

    Args:
        clips: list of uint8 RGB (T_s, H, W, 3).
        path: file to write; its ending, .png or .jpg, names the format.
    """
    path = pathlib.Path(path)
    picture = rows_of_frames(clips)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"--save_distilled must end in .png or .jpg. Received: {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    if not cv2.imwrite(str(aside), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise UserError(f"{path}: a picture of {picture.shape[1]} x {picture.shape[0]} pixels cannot be written")
    aside.replace(path)
