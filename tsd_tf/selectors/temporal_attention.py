"""I3D_A: frames by learned importance."""

from typing import Any

import keras
from keras import ops

from tsd_tf.selectors.coarse import CoarseSelector


@keras.saving.register_keras_serializable("tsd_tf")
class TemporalAttention(CoarseSelector):
    """One importance a frame: soft on all T frames in training, the T_s best frames in test (Sections 3.3, 4.1).

    Coarse extractor - average over the feature map - one score a frame - softmax over the T frames: a_i. In training
    frame i is scaled by T a_i, so that equal importance leaves the frames as they are; P is then T x T and diagonal,
    and the main network sees T frames. In test, P picks the T_s most important frames, unscaled and in time order.
    The paper states neither the architecture nor the scale.

    Args:
        num_frames, num_distilled_frames: T and T_s.
        **kwargs: coarse_size, coarse_width, coarse_features_layer, coarse_batch_norm_momentum, coarse_stride: see
            CoarseSelector.

    Output shape: (batch, T, T) in training, (batch, T, T_s) otherwise.
    """

    def __init__(self, num_frames: int, num_distilled_frames: int, **kwargs: Any) -> None:
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.score = keras.layers.Dense(1, dtype=self.dtype_policy, name="score")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)
        self.score.build((input_shape[0], self.num_frames, self.coarse_extractor.output_shape[-1]))

    def importance(self, frames: Any, training: bool | None = None) -> Any:
        """a, (batch, T) float32: non-negative, and the sum of every row is 1."""
        pooled = ops.mean(self.encode_clips(frames, training=training), axis=(2, 3))
        return ops.softmax(ops.cast(self.score(pooled), "float32")[..., 0], axis=1)

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        importance = self.importance(frames, training=training)
        if training:
            return self.num_frames * importance[:, :, None] * ops.eye(self.num_frames, dtype="float32")
        best = ops.top_k(importance, self.num_distilled_frames)[1]
        in_time_order = ops.sort(best, axis=1)
        return ops.transpose(ops.one_hot(in_time_order, self.num_frames, dtype="float32"), (0, 2, 1))

    def distributions(self, matrix: Any) -> Any:
        """The importance of the frames, (batch, T, 1): one distribution, on the diagonal of T a_i."""
        return ops.sum(matrix, axis=2, keepdims=True) / self.num_frames

    def compute_output_spec(self, frames: Any, seeds: Any = None, training: bool | None = None) -> keras.KerasTensor:
        columns = self.num_frames if training else self.num_distilled_frames
        return keras.KerasTensor((frames.shape[0], self.num_frames, columns), dtype="float32")
