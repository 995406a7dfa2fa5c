"""From shards to batches of clips, in phases: read, parse, sample, decode, preprocess, batch.

Frames are chosen before they are decoded: of a record's JPEGs only those of the clip are, and of these only the crop.
Preprocessing is left to the network's side (data/preprocessing.py): frames travel as uint8, a quarter of the bytes.

What the pipeline delivers is a pure function of the seed, the shards and the step. An epoch visits the shards in an
order of its own, some at a time in turn, and shuffles within blocks of records; every record comes exactly once.
"""

import concurrent.futures
import json
import re

import tensorflow as tf

from tsd_tf.data import clip_sampling, remote, schema, tfrecord
from tsd_tf.errors import UserError

_SHARDS_AT_ONCE = 16
_BLOCK = 64  # clips that are shuffled together; of these the sampled frames are held, as JPEGs
_ORDER_OF_SHARDS, _ORDER_IN_BLOCK, _RECORD = 0, 1, 2
_COMPLAINT = re.compile(r"tsd_tf: <<(.*?)>>", re.DOTALL)


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
    numbers = _shards_of_host(shards, num_hosts, host)
    first_epoch, first_group, first_record = 0, 0, 0
    if first_step:
        counts = dict(zip(numbers, count_records([shards[number] for number in numbers]), strict=True))
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

    def clips_of_group(epoch, group, group_shards, skip):
        def sample(shard, index, record):
            clip = _parse(record, tf.gather(shards, shard), index, num_classes)
            clip_seed = clip_sampling.seed_of(seed, _RECORD, epoch, shard, index)
            indices = clip_sampling.random_frames(tf.size(clip["jpegs"]), num_frames, clip_seed)
            return clip | {"jpegs": tf.gather(clip["jpegs"], indices), "seed": clip_seed}

        def shuffle(block, clips):
            seed_of_block = clip_sampling.seed_of(seed, _ORDER_IN_BLOCK, epoch, group, block)
            order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(clips["label"])), seed_of_block)
            return {name: tf.gather(value, order) for name, value in clips.items()}

        blocks_to_skip = skip // _BLOCK
        records = _records(shards, group_shards).skip(blocks_to_skip * _BLOCK)
        clips = records.map(_as_it_is(sample), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        blocks = clips.batch(_BLOCK).enumerate(blocks_to_skip).map(_as_it_is(shuffle))
        return blocks.unbatch().skip(skip % _BLOCK)

    def decode(clip):
        height, width = _shape_of(clip, crop_size)
        window = clip_sampling.random_crop(height, width, crop_size, clip["seed"])
        frames = _decode(clip["jpegs"], window, crop_size, clip_sampling.random_flip(clip["seed"]) & random_flip)
        frames = tf.ensure_shape(frames, (num_frames, crop_size, crop_size, 3))
        return _finished(clip, frames, clip_sampling.selection_seed(clip["seed"]))

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    clips = epochs.flat_map(_as_it_is(groups_of_epoch)).flat_map(_as_it_is(clips_of_group))
    clips = clips.map(_as_it_is(decode), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _batches(clips, batch_size, drop_remainder=True)


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
    numbers = _shards_of_host(shards, num_hosts, host)

    def sample(shard, index, record):
        clip = _parse(record, tf.gather(shards, shard), index, num_classes)
        clip_seed = clip_sampling.seed_of(seed, _RECORD, 0, shard, index)
        indices = clip_sampling.random_clips(tf.size(clip["jpegs"]), num_frames, num_clips, clip_seed)
        needed, places = tf.unique(tf.reshape(indices, [-1]))
        return clip | {"jpegs": tf.gather(clip["jpegs"], needed), "places": places, "seed": clip_seed}

    def decode(clip):
        height, width = _shape_of(clip, crop_size)
        window = clip_sampling.centre_crop(height, width, crop_size)
        frames = _decode(clip["jpegs"], window, crop_size, tf.constant(False))
        shape = (num_clips, num_frames, crop_size, crop_size, 3)
        frames = tf.reshape(tf.gather(frames, clip["places"]), shape)
        return _finished(clip, frames, clip_sampling.selection_seeds(num_clips, clip["seed"]))

    clips = _records(shards, tf.constant(numbers, tf.int64))
    for function in (sample, decode):
        clips = clips.map(_as_it_is(function), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _batches(clips, batch_size, drop_remainder=False)


def checked(clips, shards):
    """Iterates a dataset of this module (or one distributed from it); what is wrong with the data is a UserError.

    Args:
        clips: the dataset.
        shards: the paths that it reads; a damaged one is looked for among them.

    Yields:
        What `clips` does.

    Raises:
        UserError: names the shard, and the record where it is known.
    """
    try:
        yield from clips
    except tf.errors.DataLossError as error:
        raise UserError(_find_damage(shards, str(error))) from error
    except tf.errors.NotFoundError as error:
        raise UserError(f"a shard has gone while it was read: {error.message}") from error
    except tf.errors.InvalidArgumentError as error:
        if complaint := _COMPLAINT.search(error.message):
            raise UserError(complaint[1].replace("\\'", "'")) from error
        if "jpeg" in error.message.lower() or "protocol message" in error.message:
            folder = shards[0].rpartition("/")[0]
            raise UserError(
                f"a record of {folder} holds no tf.train.SequenceExample of JPEG frames of one size; "
                f"python -m tfrecords.verify {folder} names it"
            ) from error
        raise


def count_records(shards):
    """Records of each shard, found by its lengths alone, without reading what lies between: list of int."""

    def count(shard):
        try:
            with tf.io.gfile.GFile(shard, "rb") as file:
                return sum(1 for _ in tfrecord.read_records(file, check_payloads=False))
        except tfrecord.DamagedRecordError as error:
            raise UserError(f"shard {shard}: {error}; build it again") from error

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(count, shards))


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


def _records(shards, numbers):
    """The records of some of the shards, in turn: (number of the shard, index in it, serialised record)."""

    def records_of_shard(number):
        records = tf.data.TFRecordDataset(tf.gather(shards, number), buffer_size=1 << 20).enumerate()
        return records.map(_as_it_is(lambda index, record: (number, index, record)))

    return tf.data.Dataset.from_tensor_slices(numbers).interleave(
        _as_it_is(records_of_shard),
        cycle_length=_SHARDS_AT_ONCE,
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _as_it_is(function):
    """Spares tf.data the search for Python control flow, of which there is none here: it takes seconds."""
    return tf.autograph.experimental.do_not_convert(function)


def _parse(record, shard, index, num_classes):
    context, sequences = tf.io.parse_single_sequence_example(
        record,
        context_features={
            schema.LABEL_INDEX: tf.io.FixedLenFeature((), tf.int64, -1),
            schema.MEDIA_ID: tf.io.FixedLenFeature((), tf.string, ""),
        },
        sequence_features={schema.IMAGE_ENCODED: tf.io.FixedLenSequenceFeature((), tf.string, allow_missing=True)},
    )
    label, jpegs = context[schema.LABEL_INDEX], sequences[schema.IMAGE_ENCODED]
    name = tf.strings.join(
        ["record ", tf.strings.as_string(index), " (", context[schema.MEDIA_ID], ") of shard ", shard]
    )
    complaints = [
        _require(
            (label >= 0) & (label < num_classes),
            [name, f": a label from 0 to {num_classes - 1} was expected, ", tf.strings.as_string(label), " came"],
        ),
        _require(tf.size(jpegs) > 0, [name, f": JPEG frames under {schema.IMAGE_ENCODED} were expected, none came"]),
    ]
    with tf.control_dependencies(complaints):
        label, jpegs = tf.cast(label, tf.int32), tf.identity(jpegs)
    return {"label": label, "media_id": context[schema.MEDIA_ID], "jpegs": jpegs, "name": name}


def _shape_of(clip, crop_size):
    shape = tf.io.extract_jpeg_shape(clip["jpegs"][0])
    height, width = shape[0], shape[1]
    complaint = [
        clip["name"],
        ": frames of ",
        tf.strings.as_string(width),
        " x ",
        tf.strings.as_string(height),
        f" pixels came, at least the crop of {crop_size} x {crop_size} was expected; "
        "build the shards with a larger --short_side, or choose a smaller crop",
    ]
    with tf.control_dependencies([_require(tf.minimum(height, width) >= crop_size, complaint)]):
        return tf.identity(height), tf.identity(width)


def _require(condition, message):
    return tf.debugging.Assert(condition, [tf.strings.join(["tsd_tf: <<", *message, ">>"])])


def _decode(jpegs, window, crop_size, flip):
    def decode_all(finish):
        return tf.map_fn(
            _as_it_is(lambda jpeg: finish(tf.io.decode_and_crop_jpeg(jpeg, window, channels=3))),
            jpegs,
            fn_output_signature=tf.TensorSpec((crop_size, crop_size, 3), tf.uint8),
        )

    # Mirrored one by one, while a frame is still in the processor's cache.
    return tf.cond(flip, lambda: decode_all(lambda frame: tf.reverse(frame, [1])), lambda: decode_all(tf.identity))


def _finished(clip, frames, seed):
    return {"frames": frames, "label": clip["label"], "media_id": clip["media_id"], "seed": seed}


def _batches(clips, batch_size, drop_remainder):
    options = tf.data.Options()
    # Shards are already divided; TensorFlow would divide files that it does not see.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    options.deterministic = True
    return clips.batch(batch_size, drop_remainder=drop_remainder).prefetch(tf.data.AUTOTUNE).with_options(options)


def _find_damage(shards, message):
    """TensorFlow tells the byte, not the file: every shard is looked at there."""
    offset = re.search(r"record at (\d+)", message)
    for shard in shards if offset else ():
        try:
            with tf.io.gfile.GFile(shard, "rb") as file:
                tfrecord.check_record(file, int(offset[1]))
        except (tfrecord.DamagedRecordError, tf.errors.OpError) as error:
            return f"shard {shard}: {error}; build it again (python -m tfrecords.verify finds all damage)"
    return f"a shard of {shards[0].rpartition('/')[0]} could not be read: {message}"


def _builder(data_dir):
    for name in ("ucf101", "sample", "custom"):
        if name in data_dir:
            return f"tfrecords.build_{name}"
    return "tfrecords.build_kinetics --csv=... --videos_dir=..."
