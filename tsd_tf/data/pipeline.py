"""From shards to batches of clips, in phases: read, parse, sample, decode, preprocess, batch.

Frames are chosen before they are decoded: only the JPEGs of the clip are decoded, and of these only the crop.
Preprocessing is left to the network's side (data/preprocessing.py): frames travel as uint8, a quarter of the bytes.

What the pipeline delivers is a pure function of the seed, the shards and the step. An epoch visits the shards in an
order of its own, several at a time in turn, and shuffles within blocks of records; every record comes exactly once.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from tsd_tf.contract.clip_spec import SEGMENTS, ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data import clip_sampling
from tsd_tf.data.clip_reader import ClipReader
from tsd_tf.data.records import Records

_SHARDS_AT_ONCE = 16
_BATCHES_AHEAD = 2
_BLOCK = 64  # records that are shuffled together, before they are read
_ORDER_OF_SHARDS, _ORDER_IN_BLOCK, _RECORD = 0, 1, 2


def training_batches(
    records: Records, spec: ClipSpec, batch_size: int, seed: int, first_step: int = 0
) -> tf.data.Dataset:
    """The dataset of TrainingClips, which explains the arguments, with "damage" in every batch.

    Raises:
        UserError: a shard that cannot be read, or whose records cannot be found.
    """
    numbers, places, num_frames, crop_size = records.numbers, records.places, spec.num_frames, spec.crop_size
    first_epoch, first_group, first_record = 0, 0, 0
    if first_step:
        counts = {number: len(places[number]) for number in numbers}
        first_epoch, first_record = divmod(first_step * batch_size, sum(counts.values()))
        order = _order_of_shards(numbers, seed, first_epoch).numpy().tolist()
        while first_record >= (size := sum(counts[n] for n in order[:_SHARDS_AT_ONCE])):
            order, first_group, first_record = order[_SHARDS_AT_ONCE:], first_group + 1, first_record - size

    def groups_of_epoch(epoch):
        """Shards that are read together: (epoch, number of the group, its shards, records to skip)."""
        groups = tf.data.Dataset.from_tensor_slices(_order_of_shards(numbers, seed, epoch)).batch(_SHARDS_AT_ONCE)
        groups = groups.enumerate().skip(tf.where(epoch == first_epoch, tf.cast(first_group, tf.int64), 0))

        def add_skip(group, group_shards):
            is_first = (epoch == first_epoch) & (group == first_group)
            return epoch, group, group_shards, tf.where(is_first, tf.cast(first_record, tf.int64), 0)

        return groups.map(_as_it_is(add_skip))

    def records_of_group(epoch, group, group_shards, skip):
        """The records of a group in the order in which they are read: (epoch, number of the shard, index in it)."""

        def shuffle(block, records):
            seed_of_block = clip_sampling.seed_of(seed, _ORDER_IN_BLOCK, epoch, group, block)
            order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(records)[0]), seed_of_block)
            return tf.gather(records, order)

        blocks = _records(places, group_shards).batch(_BLOCK).enumerate().map(_as_it_is(shuffle))
        return blocks.unbatch().skip(skip).map(_as_it_is(lambda record: (epoch, record[0], record[1])))

    choose = clip_sampling.segment_frames if spec.frame_sampling == SEGMENTS else clip_sampling.frames
    reader = ClipReader(records, spec, choose)

    def clip_of_record(epoch, shard, index):
        clip_seed = clip_sampling.seed_of(seed, _RECORD, epoch, shard, index)
        clip = _read(reader, shard, index, clip_sampling.start_draw(clip_seed))

        def decode():
            window = clip_sampling.random_crop(clip["size"][0], clip["size"][1], crop_size, clip_seed)
            jpegs = tf.ensure_shape(clip["jpegs"], (num_frames,))
            frames = _decode(jpegs, window, crop_size)
            if not spec.random_flip:
                return frames
            return tf.cond(clip_sampling.random_flip(clip_seed), lambda: _mirrored(frames), lambda: frames)

        shape = (num_frames, crop_size, crop_size, 3)
        finished = _finished(clip, decode, shape, clip_sampling.selection_seed(clip_seed))
        # Not within `decode`: an error of the augmentation is not a damaged record.
        return finished | {"frames": _augmented(finished["frames"], spec.augment, clip_seed)}

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    visits = epochs.flat_map(_as_it_is(groups_of_epoch)).flat_map(_as_it_is(records_of_group))
    return _batches(visits, clip_of_record, batch_size, is_training=True)


def evaluation_batches(
    records: Records, spec: ClipSpec, num_clips: int, batch_size: int, seed: int, with_corners: bool = False
) -> tf.data.Dataset:
    """The dataset of EvaluationClips, which explains the arguments, with "damage" in every batch.

    Raises:
        UserError: a shard that cannot be read, or whose records cannot be found.
    """
    crop_size = spec.crop_size
    choose = clip_sampling.segment_test_frames if spec.frame_sampling == SEGMENTS else clip_sampling.frames
    reader = ClipReader(records, spec, choose)

    def clips_of_record(record):
        shard, index = record[0], record[1]
        clip_seed = clip_sampling.seed_of(seed, _RECORD, 0, shard, index)
        clip = _read(reader, shard, index, clip_sampling.start_draws(num_clips, clip_seed))

        def decode():
            windows = [clip_sampling.centre_crop(clip["size"][0], clip["size"][1], crop_size)]
            if with_corners:
                windows += clip_sampling.corner_crops(clip["size"][0], clip["size"][1], crop_size)
            views = [tf.gather(_decode(clip["jpegs"], window, crop_size), clip["places"]) for window in windows]
            return tf.reshape(tf.stack(views, axis=1), shape)

        shape = (num_clips * (5 if with_corners else 1), spec.num_frames, crop_size, crop_size, 3)
        return _finished(clip, decode, shape, clip_sampling.selection_seeds(num_clips, clip_seed))

    return _batches(_records(records.places, records.numbers), clips_of_record, batch_size, is_training=False)


def _order_of_shards(numbers: Sequence[int], seed: int, epoch: Any) -> tf.Tensor:
    seed = clip_sampling.seed_of(seed, _ORDER_OF_SHARDS, epoch)
    return tf.random.experimental.stateless_shuffle(tf.constant(numbers, tf.int64), seed)


def _records(places: dict[int, list], numbers: Any) -> tf.data.Dataset:
    """The records of some of the shards, in turn: int64 (2,) of the number of the shard and the index in it."""
    counts = tf.constant([len(places.get(number, ())) for number in range(max(places) + 1)], tf.int64)

    def records_of_shard(number):
        records = tf.data.Dataset.range(tf.gather(counts, number))
        return records.map(_as_it_is(lambda index: tf.stack([number, index])))

    return tf.data.Dataset.from_tensor_slices(tf.cast(numbers, tf.int64)).interleave(
        _as_it_is(records_of_shard), cycle_length=_SHARDS_AT_ONCE, block_length=1
    )


def _as_it_is(function: Callable) -> Callable:
    """Keeps tf.data from searching for Python control flow, which takes seconds and finds none here."""
    return tf.autograph.experimental.do_not_convert(function)


def _read(reader: ClipReader, shard: tf.Tensor, index: tf.Tensor, draws: tf.Tensor) -> dict[str, tf.Tensor]:
    """What ClipReader.read gives, by name."""
    names = ("jpegs", "places", "label", "media_id", "size", "problem")
    types = (tf.string, tf.int32, tf.int32, tf.string, tf.int32, tf.string)
    shapes = ((None,), draws.shape + (reader.spec.num_frames,), (), (), (2,), ())
    values = tf.numpy_function(reader.read, [shard, index, draws], types, stateful=False)
    return {name: tf.ensure_shape(*pair) for name, *pair in zip(names, values, shapes, strict=True)}


def _decode(jpegs: tf.Tensor, window: tf.Tensor, crop_size: int) -> tf.Tensor:
    """The crops of all pictures: uint8 (n, crop_size, crop_size, 3)."""

    def decode(jpeg):
        crop = tf.io.decode_and_crop_jpeg(jpeg, window, channels=3)
        return tf.ensure_shape(crop, (crop_size, crop_size, 3))

    if jpegs.shape[0] is not None:  # spares the loop, which costs a tenth of the decoding
        return tf.stack([decode(jpeg) for jpeg in tf.unstack(jpegs)])
    signature = tf.TensorSpec((crop_size, crop_size, 3), tf.uint8)
    return tf.map_fn(_as_it_is(decode), jpegs, fn_output_signature=signature)


def _mirrored(frames: tf.Tensor) -> tf.Tensor:
    """The frames (n, height, width, 3), each mirrored left to right."""

    def mirror(frames):
        mirrored = np.empty_like(frames[0])
        for frame in frames:
            frame[...] = cv2.flip(frame, 1, mirrored)
        return frames

    # OpenCV takes a twentieth of the time of TensorFlow's reversal, which would cost a quarter of the decoding. Nothing
    # else reads `frames`, so they may be overwritten.
    return tf.ensure_shape(tf.numpy_function(mirror, [frames], tf.uint8, stateful=False), frames.shape)


def _augmented(frames: tf.Tensor, augment: Callable | None, seed: tf.Tensor) -> tf.Tensor:
    if augment is None:
        return frames
    augmented = tf.convert_to_tensor(augment(frames, clip_sampling.augmentation_seed(seed)))
    if augmented.dtype != tf.uint8 or not augmented.shape.is_compatible_with(frames.shape):
        raise UserError(
            f"`augment` must return uint8 frames of shape {tuple(frames.shape)}, as it takes them. "
            f"Received: {augmented.dtype.name} frames of shape {augmented.shape}"
        )
    return tf.ensure_shape(augmented, frames.shape)


def _finished(
    clip: dict[str, tf.Tensor], decode: Callable[[], tf.Tensor], shape: tuple[int, ...], seed: tf.Tensor
) -> dict[str, tf.Tensor]:
    """An element of a batch; of a record without pictures that decode, it has blank ones and the label -1."""
    here = tf.data.Dataset.from_tensors(0)
    decoded = here.map(_as_it_is(lambda _: (tf.ensure_shape(decode(), shape), True))).ignore_errors()
    blank = here.map(_as_it_is(lambda _: (tf.zeros(shape, tf.uint8), False)))
    frames, is_intact = decoded.concatenate(blank).take(1).get_single_element()
    return {
        "frames": frames,
        "label": tf.where(is_intact, clip["label"], -1),
        "media_id": clip["media_id"],
        "seed": seed,
        "damage": tf.where(is_intact, "", clip["problem"]),
    }


def _batches(records: tf.data.Dataset, clip_of_record: Callable, batch_size: int, is_training: bool) -> tf.data.Dataset:
    options = tf.data.Options()
    # Shards are already divided; TensorFlow would divide files that it does not see.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    options.deterministic = True
    # On few cores its thread, which sleeps for up to a minute, does not notice that an iterator is closed: every stage
    # would end with that minute. There is nothing to tune: only one map is parallel, and one call per core is right for
    # it (left to itself, TensorFlow stops at 16).
    options.autotune.enabled = False
    # One call reads and decodes a whole clip, so that its memory is reused while it is in the processor's cache.
    clips = records.map(_as_it_is(clip_of_record), num_parallel_calls=os.cpu_count(), deterministic=True)
    batches = clips.batch(batch_size, drop_remainder=is_training)
    if is_training:
        batches = batches.map(_as_it_is(_with_stand_ins))
    return batches.prefetch(_BATCHES_AHEAD).with_options(options)


def _with_stand_ins(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Puts the next intact clip's frames in place of a damaged one's, so that batch norm sees real pictures only."""
    intact = tf.where(batch["label"] >= 0)[:, 0]

    def stand_in():
        places = tf.range(tf.size(batch["label"], tf.int64))
        return tf.gather(batch["frames"], tf.gather(intact, tf.searchsorted(intact, places) % tf.size(intact)))

    is_needed = (tf.size(intact) > 0) & (tf.size(intact) < tf.size(batch["label"]))
    return batch | {"frames": tf.cond(is_needed, stand_in, lambda: batch["frames"])}
