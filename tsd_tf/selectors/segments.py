"""The sampling of Temporal Segment Networks, within a clip."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tsd_tf.selectors.fixed_frames import one_hot_matrix
from tsd_tf.selectors.random import draws
from tsd_tf.selectors.selector import Selector


@keras.saving.register_keras_serializable("tsd_tf")
class Segments(Selector):
    """One frame from each of T_s equal segments of the clip: at random in training, the middle one otherwise.

    As TSN samples (Wang et al., 2016, Section 3.1). Of a whole video the reader chooses so before it decodes (ClipSpec,
    `frame_sampling`); this is for whoever has the T frames of a clip, as a client does.

    Args:
        num_frames, num_distilled_frames: T and T_s.

    Call arguments:
        frames: (batch, T, height, width, 3).
        seeds: (batch, 2) ints; in training the frames of a clip depend on its seed alone. Without seeds they are drawn
            from the layer's seed generator, as Random's.
    """

    looks_at_frames = False

    def __init__(self, num_frames: int, num_distilled_frames: int, **kwargs: Any) -> None:
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        bounds = np.arange(num_distilled_frames + 1) * num_frames // num_distilled_frames
        self.starts, self.lengths = bounds[:-1].astype("int32"), np.diff(bounds).astype("int32")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        batch = ops.shape(frames)[0]
        if not training:
            matrix = ops.convert_to_tensor(one_hot_matrix(self.starts + self.lengths // 2, self.num_frames))
            return ops.broadcast_to(matrix[None], (batch, self.num_frames, self.num_distilled_frames))
        if seeds is None:
            seeds = keras.random.randint((batch, 2), 0, 2**31 - 1, dtype="int32", seed=self.seed_generator)
        # 24 bits of the draw, which are exact in float32.
        shares = ops.cast(ops.right_shift(draws(seeds, self.num_distilled_frames), 8), "float32") / 2.0**24
        within = ops.cast(ops.floor(shares * ops.cast(self.lengths, "float32")), "int32")
        indices = ops.convert_to_tensor(self.starts) + ops.minimum(within, self.lengths - 1)
        return ops.transpose(ops.one_hot(indices, self.num_frames, dtype="float32"), (0, 2, 1))
