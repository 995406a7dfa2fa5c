"""Opens what stands for a video: a file, or a folder of numbered pictures."""

import os

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import finding
from tsd_tf.video.frame_folder import FrameFolder
from tsd_tf.video.video import Video


def open_video(
    path: str | os.PathLike,
    *,
    num_threads: int = 1,
    square_pixels: bool = False,
    frame_folder_rate: float | None = None,
) -> Video | FrameFolder:
    """The video at a path.

    Args:
        path: a video file, or a folder of numbered pictures.
        num_threads, square_pixels: see Video; of a file.
        frame_folder_rate: pictures a second of a folder.

    Raises:
        UnreadableVideoError: there is none, or it is a folder and has no rate.
    """
    if not os.path.isdir(path):
        return Video(path, num_threads, square_pixels)
    if frame_folder_rate is None:
        raise UnreadableVideoError(f"a folder, not a video file; {finding.RATE_NEEDED}")
    return FrameFolder(path, frame_folder_rate)
