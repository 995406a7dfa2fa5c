"""From frames to an encoded video file."""

import os

import cv2
import numpy as np

from tsd_tf.contract.errors import UserError


def write_video(path: str | os.PathLike, frames: np.ndarray, frame_rate: float, fourcc: str = "mp4v") -> None:
    """Encodes frames with OpenCV.

    Args:
        path: the file; its extension chooses the container.
        frames: (num_frames, height, width, 3) uint8 RGB.
        frame_rate: frames a second.
        fourcc: codec, four letters; "mp4v" is MPEG-4 part 2, which every build of OpenCV writes.

    Raises:
        UserError: OpenCV cannot write such a file there.
    """
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), frame_rate, (width, height))
    try:
        if not writer.isOpened():
            raise UserError(
                f"OpenCV cannot write {path} with codec {fourcc}: does the folder exist, and is it writable?"
            )
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
