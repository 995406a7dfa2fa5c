"""Frames of a video, stream or camera as evaluation sees them: at one rate, short side scaled, centre cropped, RGB."""

import os
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.isolated_decoder import IsolatedDecoder


class FrameFormat(Protocol):
    """The frames that a model takes: tsd_tf.contract.signatures.ClientModel is one, and explains the attributes."""

    @property
    def frame_size(self) -> int: ...
    @property
    def short_side(self) -> int: ...
    @property
    def frames_per_second(self) -> float: ...
    @property
    def square_pixels(self) -> bool: ...


def video_frames(path: str | os.PathLike, model: FrameFormat, decoder: IsolatedDecoder) -> Iterator[np.ndarray]:
    """Yields the frames of a video, uint8 RGB (frame_size, frame_size, 3).

    Args:
        path: the file, or a folder of numbered pictures.
        model: says the rate and the size.
        decoder: reads it.

    Raises:
        UnreadableVideoError: names the file.
    """
    try:
        yield from decoder.frames(path, model.frame_size, model.square_pixels, **_as_stored(model))
    except UnreadableVideoError as error:
        raise UnreadableVideoError(f"{path}: {error}") from error


def live_frames(
    camera: int | str, model: FrameFormat, decoder: IsolatedDecoder, stall_seconds: float
) -> Iterator[np.ndarray]:
    """As `video_frames`, of a camera or a stream.

    Args:
        camera: its number, or the URL of a stream that FFmpeg can read (http://, rtsp://, ...).
        model: says the rate and the size.
        decoder: reads it.
        stall_seconds: it ends when nothing comes for so long.

    Raises:
        UnreadableVideoError: it cannot be opened, or reading it failed.
    """
    square = model.square_pixels
    return decoder.frames(camera, model.frame_size, square, stall_seconds=stall_seconds, **_as_stored(model))


def _as_stored(model: FrameFormat) -> dict[str, Any]:
    return {"frame_rate": model.frames_per_second, "short_side": model.short_side}
