"""Frames that a caller hands over as an array: refused with words, or made into those of a model's clips."""

from typing import Any

import numpy as np

from tsd_tf.client.capture import FrameFormat
from tsd_tf.contract import frame_times
from tsd_tf.contract.errors import UserError
from tsd_tf.video import geometry


def frames_of(video: Any, frame_format: FrameFormat) -> np.ndarray:
    """The frames of a video as a model takes them: short side scaled, centre cropped.

    Frames that have the model's size already stay as they are.

    Args:
        video: an array of uint8 RGB, (frames, height, width, 3).
        frame_format: says the size.

    Returns:
        uint8 (frames, frame_size, frame_size, 3).

    Raises:
        UserError: it is something else; the message says what to do.
    """
    frames = np.asarray(video)
    _check_shape(frames.shape)
    if frames.dtype != np.uint8:
        raise UserError(f"`video` must hold uint8 values from 0 to 255. Received: {frames.dtype}{_advice(frames)}")
    size = frame_format.frame_size
    if frames.shape[1:3] == (size, size):
        return frames
    height, width = frames.shape[1:3]
    scaled = frame_times.scaled_size(height, width, frame_format.short_side)
    return np.stack([geometry.centre(geometry.resized(frame, scaled), size) for frame in frames])


def _check_shape(shape: tuple[int, ...]) -> None:
    advice = ""
    if len(shape) == 4 and shape[3] == 3 and min(shape) > 0:
        return
    if len(shape) == 3 and shape[2] == 3:
        advice = ": a single picture, or one of a list of frames, which numpy.stack makes into a video"
    elif len(shape) == 4 and shape[1] == 3:
        advice = ": its channels come first, frames.transpose(0, 2, 3, 1) puts them last"
    elif len(shape) == 5:
        advice = ": several videos, which a list holds: list(videos)"
    raise UserError(f"`video` must be of shape (frames, height, width, 3), RGB. Received: {shape}{advice}")


def _advice(frames: np.ndarray) -> str:
    """What a caller may have meant."""
    if frames.dtype.kind not in "fiu":
        return ""
    low, high = frames.min(), frames.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return ", not all of it finite"
    found = f", values from {low:.6g} to {high:.6g}"
    if frames.dtype.kind == "f" and 0 <= low <= high <= 1:
        return f"{found}: if that is black to white, (255 * frames).round().astype('uint8') makes them"
    if frames.dtype.kind == "f" and -1 <= low <= high <= 1:
        return f"{found}: if that is black to white, tsd_tf.to_uint8(frames) makes them"
    return f"{found}: frames.round().astype('uint8') makes them" if 0 <= low <= high <= 255 else found
