"""What every frame selector has in common."""

from typing import Any

import keras

from tsd_tf.layers.configured_layer import ConfiguredLayer


class Selector(ConfiguredLayer):
    """A layer that makes the transformation matrix P of a clip (Section 3.3).

    All methods of the paper are one network; they differ only in how P is made. Attributes say what a selector can do;
    a subclass sets them on the class or in its constructor.

    Args:
        num_frames: T, the frames of a clip.
        num_distilled_frames: T_s, the frames that are left; 1 <= T_s <= T.

    Attributes:
        is_learned: whether trained weights predict P; a stage of its own then trains them, and P is watched.
        looks_at_frames: whether P depends on the frames; else it is the same for every clip, or drawn from its seed.
        is_coarse: whether it is a CoarseSelector, whose arguments a configuration holds.
        coarse_extractor: the keras.Model that sees single frames, made small, or None.
        tsd_block: the TSDBlock that makes P from the coarse features alone, or None.

    Call arguments:
        frames: (batch, T, height, width, 3), RGB in [-1, 1].
        seeds: (batch, 2) ints, one seed a clip, or None; the selectors that draw at random depend on nothing else.

    Output shape: (batch, T, T_s), float32; every column sums to 1.
    """

    is_learned = False
    looks_at_frames = True
    is_coarse = False

    def __init__(self, num_frames: int, num_distilled_frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 1 <= num_distilled_frames <= num_frames:
            raise ValueError(
                "A selector needs 1 <= num_distilled_frames <= num_frames. "
                f"Received: num_frames={num_frames}, num_distilled_frames={num_distilled_frames}"
            )
        self.num_frames = num_frames
        self.num_distilled_frames = num_distilled_frames
        # Not on the class: on Keras' torch backend, attributes of the class hide layers of the same name.
        self.coarse_extractor: Any = None
        self.tsd_block: Any = None

    def check_frames(self, shape: tuple[int | None, ...]) -> None:
        """Raises ValueError unless `shape` is (batch, T, height, width, 3) with this selector's T."""
        if len(shape) != 5 or shape[1] != self.num_frames or shape[4] != 3:
            raise ValueError(
                f"{type(self).__name__} expects frames of shape (batch, {self.num_frames}, height, width, 3). "
                f"Received: shape={tuple(shape)}"
            )

    def distributions(self, matrix: Any) -> Any:
        """What P says about the frames of a clip, as distributions over them.

        Args:
            matrix: P as the selector makes it in training, (batch, T, columns) float32.

        Returns:
            (batch, T, distributions) float32; each sums to 1 over the frames. By default the columns of P.
        """
        return matrix

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.num_frames, self.num_distilled_frames)

    def compute_output_spec(self, frames: Any, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(frames.shape), dtype="float32")
