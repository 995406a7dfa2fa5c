"""Clips to test on."""

import dataclasses
import functools
import math

import tensorflow as tf

from tsd_tf.data import pipeline
from tsd_tf.data.clip_source import ClipSource


@dataclasses.dataclass(eq=False)
class EvaluationClips(ClipSource):
    """Every video once, in the order of the shards: clips from random times, cropped at the centre.

    A batch is {"frames": uint8 (batch, num_views, num_frames, crop_size, crop_size, 3), "label": int32 (batch,),
    "media_id": string (batch,), "seed": int32 (batch, num_clips, 2)}. The views are the clips, or with corners five
    crops of each clip, one clip after the other, the centre first. Damaged videos are left out.

    Args:
        records: a Records.
        spec: a ClipSpec; clips are neither mirrored nor augmented.
        num_clips: Q, clips of each video; frames that several of them share are decoded once. The first clip of
            segments takes the middle of each, further ones a random frame of each.
        batch_size: videos in a batch; the last batch holds what is left.
        seed: integer; it determines where the clips begin.
        num_videos: videos at most, rounded up to whole batches; None for all.
        with_corners: adds the crops in the four corners of the frames.
    """

    _: dataclasses.KW_ONLY
    num_clips: int
    batch_size: int
    seed: int
    num_videos: int | None = None
    with_corners: bool = False
    _leaves_damaged_out = True

    @functools.cached_property
    def dataset(self) -> tf.data.Dataset:
        batches = pipeline.evaluation_batches(
            self.records, self.spec, self.num_clips, self.batch_size, self.seed, self.with_corners
        )
        return batches if self.num_videos is None else batches.take(math.ceil(self.num_videos / self.batch_size))
