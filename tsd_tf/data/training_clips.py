"""Clips to train on."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tsd_tf.data import pipeline
from tsd_tf.data.clip_source import ClipSource


@dataclasses.dataclass(eq=False)
class TrainingClips(ClipSource):
    """Endless batches of randomly placed, cropped, mirrored and augmented clips.

    A batch is {"frames": uint8 (batch_size, num_frames, crop_size, crop_size, 3), "label": int32 (batch_size,),
    "media_id": string (batch_size,), "seed": int32 (batch_size, 2)}; the seed is for selectors that draw frames at
    random. All frames of a clip are cropped at the same random place. Damaged records keep their places, with the label
    -1 and the frames of another clip.

    Args:
        records: a Records.
        spec: a ClipSpec.
        batch_size: clips in a batch.
        seed: integer; it determines everything that is drawn.
        first_step: batches that an interrupted run has already seen; they are skipped without decoding.
        strategy: a tf.distribute strategy whose replicas get a batch each; None for plain batches.
    """

    _: dataclasses.KW_ONLY
    batch_size: int
    seed: int
    first_step: int = 0
    strategy: tf.distribute.Strategy | None = None

    @functools.cached_property
    def dataset(self) -> tf.data.Dataset:
        return pipeline.training_batches(self.records, self.spec, self.batch_size, self.seed, self.first_step)

    def _batches(self) -> Iterable[dict[str, Any]]:
        if self.strategy is None or self.strategy.num_replicas_in_sync == 1:
            return self.dataset
        # Otherwise the workers would have to agree at every step that there are more clips.
        endless = self.dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return self.strategy.distribute_datasets_from_function(lambda _: endless)
