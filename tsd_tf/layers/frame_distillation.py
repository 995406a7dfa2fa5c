"""Equation 1 of the paper: Y = XP."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("tsd_tf")
class FrameDistillation(keras.layers.Layer):
    """Y = XP: every distilled frame is a linear combination of the T frames of the clip (Section 3.2).

    Call arguments:
        frames: X, (batch, T, height, width, channels), any float type.
        transformation_matrix: P, (batch, T, T_s).

    Output shape: (batch, T_s, height, width, channels).
    """

    def call(self, frames: Any, transformation_matrix: Any) -> Any:
        _, num_frames, height, width, channels = frames.shape
        flat = ops.reshape(frames, (-1, num_frames, height * width * channels))
        weights = ops.transpose(ops.cast(transformation_matrix, flat.dtype), (0, 2, 1))
        return ops.reshape(ops.matmul(weights, flat), (-1, weights.shape[1], height, width, channels))

    def compute_output_shape(
        self, frames_shape: tuple[int | None, ...], transformation_matrix_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (frames_shape[0], transformation_matrix_shape[2], *frames_shape[2:])
