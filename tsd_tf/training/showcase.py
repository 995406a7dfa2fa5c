"""What the client makes of a few fixed clips, for TensorBoard."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.data.records import Records
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState
from tsd_tf.training.summaries import Summaries
from tsd_tf.video import pictures

_NUM_CLIPS = 4


@dataclasses.dataclass
class Showcase(Observer):
    """At every checkpoint, writes the histogram of P on four fixed clips, and for the first one a picture.

    The picture holds uniform frames, distilled frames and P. Nothing is written for selectors that do not learn P.

    Args:
        config: the run's Config.
        records: a Records; the clips are of its first intact videos.
        summaries: Summaries.
    """

    config: Config
    records: Records
    summaries: Summaries

    def step_ends(self, state: RunState) -> None:
        network = state.network
        if not state.checkpoint_is_due or not network.selector.is_learned:
            return
        frames, seeds = self._clips
        inputs = to_network_input(frames)
        matrix = network.transformation_matrix(inputs, seeds=seeds, training=False)
        if not np.isfinite(matrix).all():  # the next loss will tell
            return
        distilled = np.asarray(to_uint8(network.frame_distillation(inputs[:1], matrix[:1])))[0]
        self.summaries.histogram("P", matrix, state.total_steps)
        picture = pictures.distilled_beside_uniform(frames[0].numpy(), distilled, np.asarray(matrix[0]))
        self.summaries.image("uniform, distilled, P", picture, state.total_steps)
        self.summaries.flush()

    @functools.cached_property
    def _clips(self) -> tuple[tf.Tensor, tf.Tensor]:
        source = EvaluationClips(
            self.records, self.config.clip_spec, num_clips=1, batch_size=_NUM_CLIPS, seed=self.config.seed
        )
        with source as clips:
            batch = next(iter(clips))
        return batch["frames"][:, 0], batch["seed"][:, 0]
