"""I3D+TSD: the learned selector (Section 3.2)."""

from typing import Any

import keras

from tsd_tf.layers.tsd_block import TSDBlock
from tsd_tf.selectors.coarse import CoarseSelector


@keras.saving.register_keras_serializable("tsd_tf")
class TSD(CoarseSelector):
    """Coarse extractor and TSD block: P is predicted from a small copy of the clip (Section 3.2, Figure 5).

    Args:
        num_frames, num_distilled_frames: T and T_s.
        embedding_channels, output_kernel, initializer_stddev, logit_scale, in_time_order: see TSDBlock.
        **kwargs: coarse_size, coarse_width, coarse_features_layer, coarse_batch_norm_momentum, coarse_stride: see
            CoarseSelector.
    """

    def __init__(
        self,
        num_frames: int,
        num_distilled_frames: int,
        embedding_channels: int = 512,
        output_kernel: int = 3,
        initializer_stddev: float = 0.01,
        logit_scale: float | str = 1.0,
        in_time_order: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.embedding_channels = embedding_channels
        self.output_kernel = output_kernel
        self.initializer_stddev = initializer_stddev
        self.logit_scale = logit_scale
        self.in_time_order = in_time_order
        self.tsd_block = TSDBlock(
            num_distilled_frames,
            embedding_channels=embedding_channels,
            output_kernel=output_kernel,
            initializer_stddev=initializer_stddev,
            logit_scale=logit_scale,
            in_time_order=in_time_order,
            dtype=self.dtype_policy,
            name="tsd_block",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)
        self.tsd_block.build((input_shape[0], self.num_frames, *self.coarse_extractor.output_shape[1:]))

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        return self.tsd_block(self.encode_clips(frames, training=training))
