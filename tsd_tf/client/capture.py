"""Frames of a video, stream or camera as evaluation sees them: at one rate, short side scaled, centre cropped, RGB."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.contract.signatures import ClientModel
from tsd_tf.video import geometry
from tsd_tf.video.camera import Camera
from tsd_tf.video.isolated_decoder import IsolatedDecoder


def video_frames(path: str | os.PathLike, model: ClientModel, decoder: IsolatedDecoder) -> Iterator[np.ndarray]:
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


def camera_frames(camera: int | str, model: ClientModel, decoder: IsolatedDecoder) -> Iterator[np.ndarray]:
    """As `video_frames`, of a camera or a stream.

    Args:
        camera: its number, or the URL of a stream that FFmpeg can read (http://, rtsp://, ...).
        model: says the rate and the size.
        decoder: reads the stream.

    Raises:
        UserError: it cannot be opened.
    """
    if isinstance(camera, int):
        for picture in Camera(camera).frames(**_as_stored(model)):
            yield geometry.centre(picture, model.frame_size)
        return
    try:
        yield from decoder.frames(camera, model.frame_size, model.square_pixels, is_live=True, **_as_stored(model))
    except UnreadableVideoError as error:
        raise UserError(f"no stream at {camera} that can be read: {error}") from error


def _as_stored(model: ClientModel) -> dict[str, Any]:
    return {"frame_rate": model.frames_per_second, "short_side": model.short_side}
