"""From shards to batches of clips, in phases: read, parse, sample, decode, preprocess, batch.

Frames are chosen before they are decoded: of a record's JPEGs only those of the clip are, and of these only the crop.
Preprocessing is left to the network's side (data/preprocessing.py): frames travel as uint8, a quarter of the bytes.

What the pipeline delivers is a pure function of the seed, the shards and the step. An epoch visits the shards in an
order of its own, some at a time in turn, and shuffles within blocks of records; every record comes exactly once.
"""

import atexit
import contextlib
import json
import os
import re
import weakref

import cv2
import numpy as np
import tensorflow as tf

from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import clip_reader, clip_sampling, remote
from tsd_tf.data.clip_reader import ClipReader
from tsd_tf.data.damage import Damage, index_shards

_SHARDS_AT_ONCE = 16
_BATCHES_AHEAD = 2
_BLOCK = 64  # records that are shuffled together, before they are read
_OPEN = weakref.WeakSet()  # iterations that have not ended
_ORDER_OF_SHARDS, _ORDER_IN_BLOCK, _RECORD = 0, 1, 2


def find_shards(data_dir, split):
    """The shards of a split, in order.

    Args:
        data_dir: folder that a builder filled: local, s3:// or http(s)://.
        split: "train", "validate", "test", ...

    Returns:
        List of paths.

    Raises:
        UserError: none there, not all there, or one that is empty.
    """
    data_dir = str(data_dir).rstrip("/")
    pattern = re.compile(re.escape(split) + r"-(\d{5})-of-(\d{5})")
    remote.prepare(data_dir)
    try:
        names = _list(data_dir, split)
    except tf.errors.OpError as error:
        raise UserError(f"cannot list the {split} shards of {data_dir}: {error.message}") from error
    found = [match for name in sorted(names) if (match := pattern.fullmatch(name.rstrip("/")))]
    if not found:
        raise UserError(
            f"no {split} shards: looked for {data_dir}/{split}-00000-of-*; "
            f"python -m {_builder(data_dir)} --split={split} --output_dir={data_dir} makes them"
        )
    counts = {match[2] for match in found}
    if len(counts) > 1 or len(found) != int(found[0][2]):
        raise UserError(
            f"{data_dir} holds {len(found)} {split} shards, whose names promise {' or '.join(sorted(counts))}; "
            "build the split again with --overwrite"
        )
    shards = [f"{data_dir}/{match[0]}" for match in found]
    _check_sizes(shards)
    return shards


def read_labels(data_dir):
    """Class names of a data folder, by label index; UserError where there is no list."""
    path = f"{str(data_dir).rstrip('/')}/{schema.LABELS_FILE}"
    remote.prepare(data_dir)
    try:
        with tf.io.gfile.GFile(path) as file:
            return file.read().splitlines()
    except tf.errors.OpError as error:
        raise UserError(
            f"no class names: looked for {path}; "
            f"python -m {_builder(str(data_dir))} --output_dir={data_dir} writes them"
        ) from error


def training_clips(
    shards,
    *,
    num_frames,
    crop_size,
    random_flip,
    num_classes,
    batch_size,
    seed,
    first_step=0,
    num_hosts=1,
    host=0,
):
    """Endless batches of randomly placed, cropped and mirrored clips.

    Args:
        shards: list of paths.
        num_frames: consecutive frames of a clip; shorter videos are looped.
        crop_size: pixels of the square crop, at one random place for all frames of a clip.
        random_flip: mirrors half of the clips.
        num_classes: labels must lie in [0, num_classes).
        batch_size: clips a batch.
        seed: integer; with it all else is determined.
        first_step: batches that an interrupted run has already seen; they are skipped without decoding.
        num_hosts, host: every host reads the shards whose number is `host` modulo `num_hosts`.

    Returns:
        tf.data.Dataset of {"frames": uint8 (batch_size, num_frames, crop_size, crop_size, 3), "label": int32
        (batch_size,), "media_id": string (batch_size,), "seed": int32 (batch_size, 2)}; the seed is for selectors
        that draw frames at random. Iterate it through `checked`.

    Raises:
        UserError: an empty shard; fewer shards than hosts.
    """
    numbers, places = _prepare(shards, num_hosts, host)
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

    reader = ClipReader(shards, places, num_frames, num_classes, crop_size)

    def clip_of_record(epoch, shard, index):
        clip_seed = clip_sampling.seed_of(seed, _RECORD, epoch, shard, index)
        clip = _read(reader, shard, index, clip_sampling.start_draw(clip_seed))

        def decode():
            window = clip_sampling.random_crop(clip["size"][0], clip["size"][1], crop_size, clip_seed)
            jpegs = tf.ensure_shape(clip["jpegs"], (num_frames,))
            frames = _decode(jpegs, window, crop_size)
            if not random_flip:
                return frames
            return tf.cond(clip_sampling.random_flip(clip_seed), lambda: _mirrored(frames), lambda: frames)

        return _finished(clip, decode, (num_frames, crop_size, crop_size, 3), clip_sampling.selection_seed(clip_seed))

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    records = epochs.flat_map(_as_it_is(groups_of_epoch)).flat_map(_as_it_is(records_of_group))
    return _batches(records, clip_of_record, batch_size, is_training=True)


def evaluation_clips(shards, *, num_frames, num_clips, crop_size, num_classes, batch_size, seed, num_hosts=1, host=0):
    """Every video once, in the order of the shards, as `num_clips` randomly placed clips of its centre.

    Args:
        shards, num_frames, num_classes, seed, num_hosts, host: as for `training_clips`.
        num_clips: Q, clips a video; frames that several share are decoded once.
        crop_size: pixels of the square crop in the middle.
        batch_size: videos a batch; the last one holds what is left.

    Returns:
        Finite tf.data.Dataset of {"frames": uint8 (batch, num_clips, num_frames, crop_size, crop_size, 3), "label":
        int32 (batch,), "media_id": string (batch,), "seed": int32 (batch, num_clips, 2)}. Iterate it through `checked`.
    """
    numbers, places = _prepare(shards, num_hosts, host)
    reader = ClipReader(shards, places, num_frames, num_classes, crop_size)

    def clips_of_record(record):
        shard, index = record[0], record[1]
        clip_seed = clip_sampling.seed_of(seed, _RECORD, 0, shard, index)
        clip = _read(reader, shard, index, clip_sampling.start_draws(num_clips, clip_seed))

        def decode():
            window = clip_sampling.centre_crop(clip["size"][0], clip["size"][1], crop_size)
            return tf.gather(_decode(clip["jpegs"], window, crop_size), clip["places"])

        shape = (num_clips, num_frames, crop_size, crop_size, 3)
        return _finished(clip, decode, shape, clip_sampling.selection_seeds(num_clips, clip_seed))

    return _batches(_records(places, numbers), clips_of_record, batch_size, is_training=False)


def checked(clips, shards, damage=None):
    """Iterates a dataset of this module (or one distributed from it), and takes note of damaged records.

    Args:
        clips: the dataset.
        shards: the paths that it reads: those of one host where it reads only these.
        damage: a Damage, which is told of every damaged record and says what is tolerated; by default nothing is.

    Yields:
        What `clips` does, without "damage". Of evaluation_clips, damaged videos are left out; of training_clips and of
        distributed datasets they keep their places, with the label -1.

    Raises:
        UserError: more is damaged than tolerated, or a shard has gone; it names the record and the shard.
    """
    batches = _checked(clips, damage or Damage(shards))
    _OPEN.add(batches)
    return batches


def _checked(clips, damage):
    leaves_out = isinstance(clips, tf.data.Dataset) and clips.element_spec["label"].shape[0] is None
    for batch in clips:
        batch = dict(batch)
        problems = batch.pop("damage")
        for problem in np.concatenate([part.numpy() for part in getattr(problems, "values", (problems,))]):
            if not problem:
                continue
            kind, shard, index, message = clip_reader.parse_problem(problem)
            if kind == clip_reader.LOST:
                raise UserError(f"a shard has gone while it was read: {message}")
            damage.add(shard, index, message)
        if leaves_out and np.any(batch["label"] < 0):
            batch = {name: tf.boolean_mask(value, batch["label"] >= 0) for name, value in batch.items()}
            if not len(batch["label"]):
                continue
        yield batch


@atexit.register
def _close():
    """Stops the threads that read ahead while they can still enter Python; later they would never end."""
    for batches in list(_OPEN):
        with contextlib.suppress(ValueError):  # it runs in another thread
            batches.close()


def count_records(shards):
    """Records of each shard, found by its lengths alone, without reading what lies between: list of int."""
    return [len(places) for places in index_shards(shards)]


def _list(data_dir, split):
    if remote.scheme_of(data_dir) not in ("http", "https"):
        return tf.io.gfile.listdir(data_dir) if tf.io.gfile.isdir(data_dir) else []
    # A web server does not list its folders: the manifest does.
    try:
        with tf.io.gfile.GFile(f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)}") as file:
            return list(json.loads(file.read())["shards"])
    except tf.errors.NotFoundError:
        return []
    except (ValueError, KeyError) as error:
        raise UserError(f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)} is no manifest of a builder") from error


def _shards_of_host(shards, num_hosts, host):
    if not 0 <= host < num_hosts or len(shards) < num_hosts:
        raise UserError(f"every host needs a shard: host {host} of {num_hosts} and {len(shards)} shards came")
    _check_sizes(shards)
    return list(range(host, len(shards), num_hosts))


def _check_sizes(shards):
    for shard in shards:
        try:
            length = tf.io.gfile.stat(shard).length
        except tf.errors.OpError as error:
            raise UserError(f"cannot read shard {shard}: {error.message}") from error
        if not length:
            raise UserError(f"shard {shard} is empty, at least one record was expected; build it again")


def _order_of_shards(numbers, seed, epoch):
    seed = clip_sampling.seed_of(seed, _ORDER_OF_SHARDS, epoch)
    return tf.random.experimental.stateless_shuffle(tf.constant(numbers, tf.int64), seed)


def _prepare(shards, num_hosts, host):
    """(numbers of this host's shards, {number: places of its records})."""
    numbers = _shards_of_host(shards, num_hosts, host)
    found = index_shards([shards[number] for number in numbers])
    return numbers, dict(zip(numbers, found, strict=True))


def _records(places, numbers):
    """The records of some of the shards, in turn: int64 (2,) of the number of the shard and the index in it."""
    counts = tf.constant([len(places.get(number, ())) for number in range(max(places) + 1)], tf.int64)

    def records_of_shard(number):
        records = tf.data.Dataset.range(tf.gather(counts, number))
        return records.map(_as_it_is(lambda index: tf.stack([number, index])))

    return tf.data.Dataset.from_tensor_slices(tf.cast(numbers, tf.int64)).interleave(
        _as_it_is(records_of_shard), cycle_length=_SHARDS_AT_ONCE, block_length=1
    )


def _as_it_is(function):
    """Spares tf.data the search for Python control flow, of which there is none here: it takes seconds."""
    return tf.autograph.experimental.do_not_convert(function)


def _read(reader, shard, index, draws):
    """What ClipReader.read gives, by name."""
    names = ("jpegs", "places", "label", "media_id", "size", "problem")
    types = (tf.string, tf.int32, tf.int32, tf.string, tf.int32, tf.string)
    shapes = ((None,), draws.shape + (reader.num_frames,), (), (), (2,), ())
    values = tf.numpy_function(reader.read, [shard, index, draws], types, stateful=False)
    return {name: tf.ensure_shape(*pair) for name, *pair in zip(names, values, shapes, strict=True)}


def _decode(jpegs, window, crop_size):
    """The crops of all pictures: uint8 (n, crop_size, crop_size, 3)."""

    def decode(jpeg):
        crop = tf.io.decode_and_crop_jpeg(jpeg, window, channels=3)
        return tf.ensure_shape(crop, (crop_size, crop_size, 3))

    if jpegs.shape[0] is not None:  # spares the loop, which costs a tenth of the decoding
        return tf.stack([decode(jpeg) for jpeg in tf.unstack(jpegs)])
    signature = tf.TensorSpec((crop_size, crop_size, 3), tf.uint8)
    return tf.map_fn(_as_it_is(decode), jpegs, fn_output_signature=signature)


def _mirrored(frames):
    """The frames (n, height, width, 3), each mirrored left to right."""

    def mirror(frames):
        mirrored = np.empty_like(frames[0])
        for frame in frames:
            frame[...] = cv2.flip(frame, 1, mirrored)
        return frames

    # OpenCV takes a twentieth of the time of TensorFlow's reversal, which would cost a quarter of the decoding. Nothing
    # else reads `frames`, so that they may be overwritten.
    return tf.ensure_shape(tf.numpy_function(mirror, [frames], tf.uint8, stateful=False), frames.shape)


def _finished(clip, decode, shape, seed):
    """An element of a batch. A record whose pictures do not decode, or that has none, gives blank ones and no label."""
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


def _batches(records, clip_of_record, batch_size, is_training):
    options = tf.data.Options()
    # Shards are already divided; TensorFlow would divide files that it does not see.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    options.deterministic = True
    # Its thread, which sleeps for up to a minute, misses that an iterator is closed where cores are few: every stage
    # would end with that minute. There is nothing to tune: one map is parallel, and a call a core is right for it (left
    # to itself, TensorFlow stops at 16).
    options.autotune.enabled = False
    # One call reads and decodes a whole clip, so that its memory is used again while it is in the processor's cache.
    clips = records.map(_as_it_is(clip_of_record), num_parallel_calls=os.cpu_count(), deterministic=True)
    batches = clips.batch(batch_size, drop_remainder=is_training)
    if is_training:
        batches = batches.map(_as_it_is(_with_stand_ins))
    return batches.prefetch(_BATCHES_AHEAD).with_options(options)


def _with_stand_ins(batch):
    """Shows the next intact clip's frames in the place of a damaged one: batch norm sees real pictures only."""
    intact = tf.where(batch["label"] >= 0)[:, 0]

    def stand_in():
        places = tf.range(tf.size(batch["label"], tf.int64))
        return tf.gather(batch["frames"], tf.gather(intact, tf.searchsorted(intact, places) % tf.size(intact)))

    is_needed = (tf.size(intact) > 0) & (tf.size(intact) < tf.size(batch["label"]))
    return batch | {"frames": tf.cond(is_needed, stand_in, lambda: batch["frames"])}


def _builder(data_dir):
    for name in ("ucf101", "sample", "custom"):
        if name in data_dir:
            return f"tfrecords.build_{name}"
    return "tfrecords.build_kinetics --csv=... --videos_dir=..."
