"""What every frame selector has in common."""

import keras


class Selector(keras.layers.Layer):
    """A layer that looks at a clip and answers with the transformation matrix P (Section 3.3).

    All methods of the paper are one network; they differ only in how P is made.

    Args:
        num_frames: T, the frames of a clip.
        num_distilled_frames: T_s, the frames that are left; 1 <= T_s <= T.

    Call arguments:
        frames: (batch, T, height, width, 3), RGB in [-1, 1].
        seeds: (batch, 2) ints, one seed a clip, or None; the selectors that draw at random depend on nothing else.

    Output shape: (batch, T, T_s), float32; every column sums to 1.
    """

    def __init__(self, num_frames, num_distilled_frames, **kwargs):
        super().__init__(**kwargs)
        if not 1 <= num_distilled_frames <= num_frames:
            raise ValueError(
                "A selector needs 1 <= num_distilled_frames <= num_frames. "
                f"Received: num_frames={num_frames}, num_distilled_frames={num_distilled_frames}"
            )
        self.num_frames = num_frames
        self.num_distilled_frames = num_distilled_frames

    def check_frames(self, shape):
        """Raises ValueError unless `shape` is (batch, T, height, width, 3) with this selector's T."""
        if len(shape) != 5 or shape[1] != self.num_frames or shape[4] != 3:
            raise ValueError(
                f"{type(self).__name__} expects frames of shape (batch, {self.num_frames}, height, width, 3). "
                f"Received: shape={tuple(shape)}"
            )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_frames, self.num_distilled_frames)

    def compute_output_spec(self, frames, *args, **kwargs):
        return keras.KerasTensor(self.compute_output_shape(frames.shape), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_frames": self.num_frames,
            "num_distilled_frames": self.num_distilled_frames,
        }
