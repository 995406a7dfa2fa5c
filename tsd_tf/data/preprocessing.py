"""What happens to the pixels of a frame between storage and network: the same in training, evaluation and export."""

from typing import Any

from keras import ops


def to_network_input(frames: Any) -> Any:
    """uint8 frames -> float32 in [-1, 1], any shape: x / 127.5 - 1."""
    return ops.cast(frames, "float32") / 127.5 - 1.0


def to_uint8(frames: Any) -> Any:
    """float frames in [-1, 1] -> uint8, any shape: the inverse of `to_network_input`, rounded and clipped."""
    return ops.cast(ops.clip(ops.round((frames + 1.0) * 127.5), 0.0, 255.0), "uint8")
