import dataclasses
import itertools
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.contract import schema
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data import sequence_example, tfrecord
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels
from tsd_tf.data.training_clips import TrainingClips

ROOT = pathlib.Path(__file__).parents[2]

SPEC = ClipSpec(num_frames=4, crop_size=16, num_classes=3, random_flip=True)
TRAINING = {"batch_size": 2, "seed": 5}
EVALUATION = {"num_clips": 3, "batch_size": 2, "seed": 5}


# Media ids and the first frames of their clips, by batch.
TRAINING_CLIPS = [
    (["3", "0"], [1, 40]),
    (["2", "4"], [42, 40]),
    (["1", "2"], [39, 33]),
    (["3", "1"], [3, 19]),
]
EVALUATION_CLIPS = [[[38, 32, 21], [3, 13, 15]], [[43, 43, 11], [10, 12, 21]], [[40, 12, 19]]]


def picture(height, width):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), "uint8")
    return cv2.imencode(".jpg", noise)[1].tobytes()


def records_of(shards):
    return shards if isinstance(shards, Records) else Records(shards)


def training(shards, num_steps=None, spec=SPEC, **changes):
    """Batches of `num_steps` steps; shards are paths or a Records."""
    with TrainingClips(records_of(shards), spec, **(TRAINING | changes)) as clips:
        return arrays(itertools.islice(clips, num_steps))


def evaluation(shards, spec=SPEC, **changes):
    with EvaluationClips(records_of(shards), spec, **(EVALUATION | changes)) as clips:
        return arrays(clips)


def arrays(batches):
    return [{name: value.numpy() for name, value in batch.items()} for batch in batches]


def ids(batches):
    return [media_id.decode() for batch in batches for media_id in batch["media_id"]]


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in ("frames", "label", "media_id", "seed"))


def test_shapes_and_types(write_shards):
    shards, _ = write_shards([[6, 9]], labels=[2, 1])
    clips = TrainingClips(Records(shards), SPEC, **TRAINING)
    assert clips.dataset.element_spec["frames"].shape == (2, 4, 16, 16, 3)
    batch = {name: value.numpy() for name, value in next(iter(clips)).items()}
    assert set(batch) == {"frames", "label", "media_id", "seed"}
    assert batch["frames"].shape == (2, 4, 16, 16, 3)
    assert batch["frames"].dtype == np.uint8
    assert batch["label"].dtype == np.int32
    assert dict(zip(batch["media_id"], batch["label"], strict=True)) == {b"0": 2, b"1": 1}


def test_training_frames_are_consecutive_and_short_videos_loop(write_shards, index_of):
    shards, lengths = write_shards([[1, 3], [20, 50]])
    starts = {media_id: set() for media_id in lengths}
    for batch in training(shards, 40):
        for media_id, indices in zip(ids([batch]), index_of(batch["frames"]), strict=True):
            length = lengths[media_id]
            np.testing.assert_array_equal(indices, (indices[0] + np.arange(4)) % length)
            starts[media_id].add(int(indices[0]))
    assert starts["0"] == starts["1"] == {0}
    assert len(starts["2"]) > 5
    assert max(starts["2"]) <= 16
    assert len(starts["3"]) > 10


def test_what_a_seed_gives_stays_what_it_is(write_shards, index_of):
    """Runs that were interrupted before an update of this package go on with the clips that they would have seen."""
    shards, _ = write_shards([[50] * 3, [20, 50]])
    batches = training(shards, 4)
    starts = [index_of(batch["frames"])[:, 0].tolist() for batch in batches]
    assert list(zip([ids([batch]) for batch in batches], starts, strict=True)) == TRAINING_CLIPS
    starts = [index_of(batch["frames"])[:, :, 0].tolist() for batch in evaluation(shards)]
    assert starts == EVALUATION_CLIPS


def test_every_record_once_an_epoch_in_a_new_order(write_shards):
    shards, lengths = write_shards([[4] * 5, [4] * 3, [4] * 70, [4]])  # more than a block
    order = ids(training(shards, 79 * 3 // 2 + 1))
    epochs = [order[i * 79 : (i + 1) * 79] for i in range(3)]
    for epoch in epochs:
        assert sorted(epoch, key=int) == list(lengths)
    assert epochs[0] != epochs[1] != epochs[2]


def test_more_shards_than_are_read_at_once(write_shards):
    shards, lengths = write_shards([[4]] * 20 + [[4, 4]] * 3)
    batches = training(shards, 26)
    order = ids(batches)
    assert sorted(order[:26], key=int) == sorted(order[26:], key=int) == list(lengths)
    assert same(training(shards, 1, first_step=22)[0], batches[22])  # behind the second epoch's first group of shards


def test_resumed_run_sees_what_the_uninterrupted_one_would_have(write_shards):
    shards, _ = write_shards([[9] * 5, [9] * 3, [9] * 70, [9]])  # 79 records: batches of 2 straddle the epochs
    uninterrupted = training(shards, 88)
    for first_step in (1, 35, 41):
        resumed = training(shards, 3, first_step=first_step)
        assert all(map(same, resumed, uninterrupted[first_step : first_step + 3]))


def test_resuming_decodes_nothing_of_what_it_skips(write_shards, tmp_path):
    """The skipped records' pictures are garbage: decoding one would raise."""
    shards, _ = write_shards([[4] * 6])
    order = ids(training(shards, 2))
    with open(shards[0], "rb") as file:
        records = [payload for _, payload in tfrecord.read_records(file)]
    broken = sequence_example.encode({schema.LABEL_INDEX: 0}, {schema.IMAGE_ENCODED: [b"no JPEG"]})
    mixed = [broken if str(i) in order else record for i, record in enumerate(records)]
    pathlib.Path(shards[0]).write_bytes(b"".join(map(tfrecord.frame, mixed)))
    assert len(training(shards, 1, first_step=2)) == 1
    with pytest.raises(UserError, match=r"record \d of shard .*: frame 0 is no JPEG"):
        training(shards, 1)


def test_same_seed_same_clips_other_seed_others(write_shards):
    shards, _ = write_shards([[50] * 4, [50] * 4])
    first, second, other = training(shards, 4), training(shards, 4), training(shards, 4, seed=6)
    assert all(map(same, first, second))
    assert not any(map(same, first, other))


def test_hosts_share_an_epoch(write_shards):
    shards, lengths = write_shards([[4] * 2, [4] * 2, [4] * 2, [4] * 2, [4] * 2])
    seen = [ids(training(Records(shards, num_hosts=2, host=host), steps)) for host, steps in ((0, 3), (1, 2))]
    assert sorted(seen[0] + seen[1]) == sorted(lengths)
    with pytest.raises(UserError, match="Received: host=0, num_hosts=6, and 5 shards"):
        Records(shards, num_hosts=6)


@pytest.fixture
def marked_shard(tmp_path):
    """One video whose every pixel tells its place: red its row, green its column; blue the frame."""
    rows, columns = np.mgrid[0:24, 0:40].astype(np.uint8) * 5

    def jpeg(i):
        bgr = np.stack([np.full_like(rows, 100 + 4 * i), columns, rows], -1)
        # Without chroma subsampling: else a crop's edge differs from the whole picture's by the interpolation.
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            100,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
        return cv2.imencode(".jpg", bgr, options)[1].tobytes()

    record = sequence_example.encode(
        {schema.MEDIA_ID: "m", schema.LABEL_INDEX: 0}, {schema.IMAGE_ENCODED: [jpeg(i) for i in range(6)]}
    )
    path = tmp_path / "train-00000-of-00001"
    path.write_bytes(tfrecord.frame(record))
    return [str(path)], [tf.io.decode_jpeg(jpeg(i)).numpy() for i in range(6)]


def test_crop_and_flip_are_shared_by_the_frames_of_a_clip(marked_shard):
    shards, pictures = marked_shard
    seen = set()
    for batch in training(shards, 30):
        for clip in batch["frames"]:
            found = [
                (start, y, x, flip)
                for start, y, x, flip in itertools.product(range(3), range(9), range(25), (False, True))
                if _is_crop(clip, pictures[start : start + 4], y, x, flip)
            ]
            assert len(found) == 1
            seen.add(found[0])
    assert {flip for *_, flip in seen} == {False, True}
    assert len({y for _, y, _, _ in seen}) > 4
    assert len({x for _, _, x, _ in seen}) > 10


def _is_crop(clip, pictures, y, x, flip):
    crops = np.stack([picture[y : y + 16, x : x + 16] for picture in pictures])
    return np.array_equal(clip, crops[:, :, ::-1] if flip else crops)


def test_no_flip_when_switched_off(marked_shard):
    shards, pictures = marked_shard
    for batch in training(shards, 10, dataclasses.replace(SPEC, random_flip=False)):
        for clip in batch["frames"]:
            assert (np.diff(clip[0, 8, :, 1].astype(int)) > 0).mean() > 0.9  # green grows to the right


def test_evaluation_takes_the_centre(marked_shard):
    shards, pictures = marked_shard
    (batch,) = evaluation(shards)
    assert batch["frames"].shape == (1, 3, 4, 16, 16, 3)
    for clip in batch["frames"][0]:
        assert any(_is_crop(clip, pictures[start : start + 4], 4, 12, False) for start in range(3))


def test_evaluation_sees_every_video_once_in_order(write_shards, index_of):
    shards, lengths = write_shards([[5, 30, 2], [60], [7] * 4])
    batches = evaluation(shards)
    assert sorted(ids(batches)) == sorted(lengths)
    assert [len(batch["label"]) for batch in batches] == [2, 2, 2, 2]
    assert all(map(same, batches, evaluation(shards)))
    starts = {}
    for batch in batches:
        for media_id, indices in zip(ids([batch]), index_of(batch["frames"]), strict=True):
            np.testing.assert_array_equal(indices, (indices[:, :1] + np.arange(4)) % lengths[media_id])
            starts[media_id] = indices[:, 0].tolist()
    assert len(set(starts["3"])) > 1
    assert starts["2"] == [0, 0, 0]


def test_evaluation_does_not_depend_on_batch_size(write_shards):
    shards, _ = write_shards([[30] * 3, [30] * 2])
    frames = [np.concatenate([b["frames"] for b in evaluation(shards, batch_size=size)]) for size in (1, 4)]
    np.testing.assert_array_equal(frames[0], frames[1])


def test_finds_shards_in_order(write_shards, tmp_path):
    shards, _ = write_shards([[1]] * 3)
    assert find_shards(tmp_path, "train") == shards
    assert Records(shards).total == 3


def test_no_shards(tmp_path):
    with pytest.raises(UserError) as error:
        find_shards(tmp_path / "kinetics400", "validate")
    assert f"looked for {tmp_path}/kinetics400/validate-00000-of-*" in str(error.value)
    assert "python -m tfrecords.build_kinetics" in str(error.value)
    with pytest.raises(UserError, match="tfrecords.build_ucf101"):
        find_shards(tmp_path / "ucf101/split1", "train")


def test_missing_shard(write_shards, tmp_path):
    shards, _ = write_shards([[1]] * 3)
    pathlib.Path(shards[1]).unlink()
    with pytest.raises(UserError, match=r"1 of 3 train shards is missing \(train-00001-of-00003\): copy it again"):
        find_shards(tmp_path, "train")


def test_many_missing_shards(tmp_path):
    (tmp_path / "train-00002-of-00016").write_bytes(b"x")
    with pytest.raises(UserError) as error:
        find_shards(tmp_path, "train")
    first = "train-00000-of-00016, train-00001-of-00016, train-00003-of-00016"
    assert str(error.value) == f"{tmp_path}: 15 of 16 train shards are missing ({first}, ...): copy them again"


def test_shards_of_two_builds(tmp_path):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "train-00000-of-00001"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match="mixes train shards of several builds, of 1 and of 2 shards"):
        find_shards(tmp_path, "train")


def test_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("a b\nc\n")
    assert read_labels(tmp_path) == ["a b", "c"]
    with pytest.raises(UserError, match="no class names: looked for .*nowhere/labels.txt"):
        read_labels(tmp_path / "nowhere")


def test_empty_shard(write_shards, tmp_path):
    shards, _ = write_shards([[4]] * 3)
    pathlib.Path(shards[2]).write_bytes(b"")
    for call in (lambda: find_shards(tmp_path, "train"), lambda: training(shards), lambda: evaluation(shards)):
        with pytest.raises(UserError, match=r"train-00002-of-00003 is empty"):
            call()


def test_truncated_shard(write_shards):
    shards, _ = write_shards([[4] * 2, [4] * 2, [4] * 2])
    path = pathlib.Path(shards[1])
    path.write_bytes(path.read_bytes()[:-5])
    for call in (lambda: evaluation(shards), lambda: training(shards, 5, first_step=1)):
        with pytest.raises(UserError, match=r"shard .*train-00001-of-00003: truncated: the record at byte \d+"):
            call()


def test_damaged_length(write_shards):
    """What follows it cannot be found: an error at once, whatever share is tolerated."""
    shards, _ = write_shards([[4] * 2, [4] * 2, [4] * 2])
    path = pathlib.Path(shards[1])
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    for call in (training, evaluation, lambda shards: Records(shards, 1.0).total):
        with pytest.raises(
            UserError, match="shard .*train-00001-of-00003: the length of the record at byte 0 is damaged"
        ):
            call(shards)


# What a record's context and pictures are instead, and what is said about it.
DAMAGE = [
    ({}, {schema.IMAGE_ENCODED: []}, "expected JPEG frames under image/encoded, got none"),
    ({}, {schema.IMAGE_ENCODED: [b"x"] * 4}, "frame 0 is no JPEG"),
    ({}, {schema.IMAGE_ENCODED: [1, 2, 3, 4]}, "expected one value of type bytes, got int"),
    ({}, {schema.IMAGE_ENCODED: [picture(24, 32)[:-300]] * 4}, "one of its frames 0 to 3 does not decode as a JPEG"),
    (
        {},
        {schema.IMAGE_ENCODED: [picture(15, 32)] * 4},
        "expected frames of at least the crop's 16 x 16 pixels, got 32 x 15; build the shards with a larger "
        "`short_side`, or choose a smaller crop",
    ),
    (
        {},
        {schema.IMAGE_ENCODED: [picture(24, 32)] * 3 + [picture(24, 33)]},
        "expected frames of one size, got frame 0 of 32 x 24 pixels and frame 3 of 33 x 24",
    ),
    ({schema.LABEL_INDEX: 3}, {}, "expected a label from 0 to 2, got 3"),
    ({schema.LABEL_INDEX: None}, {}, "expected a label from 0 to 2, got none"),
]


@pytest.fixture
def damaged(write_shards):
    """Intact shards, the same with all records of shard 1 damaged in all ways, and what is said about each of them."""
    shards, _ = write_shards([[4, 6, 9, 30] * 3, [4] * (len(DAMAGE) + 2), [5, 30]])
    first = 12  # media id of shard 1's first record
    with open(shards[1], "rb") as file:
        *_, (_, cut) = tfrecord.read_records(file)
    payloads, messages = [], []
    for index, (context, lists, reason) in enumerate(DAMAGE):
        context = {schema.MEDIA_ID: f"{first + index}", schema.LABEL_INDEX: 0} | context
        context = {key: value for key, value in context.items() if value is not None}
        lists = {schema.IMAGE_ENCODED: [picture(24, 32)] * 4} | lists
        payloads.append(sequence_example.encode(context, lists))
        messages.append(f"record {index} ({first + index}) of shard {{path}}: {reason}")
    copy = pathlib.Path(shards[1]).with_name("damaged")
    content = b"".join(map(tfrecord.frame, [*payloads, b"no protobuf", cut]))
    copy.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
    offset = len(content) - len(cut) - 16
    messages.append(f"record {len(DAMAGE)} of shard {{path}}: not a tf.train.SequenceExample: wire type 6")
    reason = f"the record at byte {offset} is damaged: its checksum does not match"
    messages.append(f"record {len(DAMAGE) + 1} of shard {{path}}: {reason}")
    return shards, [shards[0], str(copy), shards[2]], [message.format(path=copy) for message in messages]


def test_damage_ends_a_run_that_tolerates_none(damaged):
    _, shards, messages = damaged
    for call in (evaluation, training):
        with pytest.raises(UserError) as error:
            call(shards)
        assert str(error.value).startswith(tuple(messages))
        assert "1 of 24 records are damaged, and a share of 0 is tolerated (`damaged_share`)" in str(error.value)
        assert f"python -m tfrecords.verify {pathlib.Path(shards[0]).parent} finds" in str(error.value)


def test_tolerated_damage_changes_nothing_else(damaged, capfd):
    intact, shards, messages = damaged
    records = Records(shards, 0.5)
    expected, found = training(intact, 27), training(records, 27)  # two epochs and a bit
    assert {place: records.damaged[place] for place in sorted(records.damaged)} == {
        (1, index): message for index, message in enumerate(messages)
    }
    assert capfd.readouterr().err.count("damaged, left out: record") == len(messages)
    damaged_ids = [b"%d" % (12 + index) for index in range(len(messages))]
    num_damaged, num_standing_in = 0, 0
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one["seed"], other["seed"])
        is_damaged = np.isin(one["media_id"], damaged_ids)
        np.testing.assert_array_equal(other["label"], np.where(is_damaged, -1, one["label"]))
        np.testing.assert_array_equal(other["frames"][~is_damaged], one["frames"][~is_damaged])
        if is_damaged.sum() == 1:  # the other clip of the batch
            np.testing.assert_array_equal(other["frames"][is_damaged], one["frames"][~is_damaged])
            num_standing_in += 1
        num_damaged += is_damaged.sum()
    assert num_damaged >= 2 * len(messages)
    assert num_standing_in > 5
    assert all(map(same, training(Records(shards, 0.5), 3, first_step=14), found[14:17]))


def test_evaluation_leaves_damaged_videos_out(damaged):
    intact, shards, messages = damaged
    records = Records(shards, 0.5)
    expected, found = evaluation(intact, num_clips=1), evaluation(records, num_clips=1)
    keep = np.array([not 12 <= int(media_id) < 12 + len(messages) for media_id in ids(expected)])
    assert ids(found) == [media_id for media_id, kept in zip(ids(expected), keep, strict=True) if kept]
    frames = np.concatenate([batch["frames"] for batch in expected])
    np.testing.assert_array_equal(np.concatenate([batch["frames"] for batch in found]), frames[keep])
    assert sorted(records.damaged.values()) == sorted(messages)


def test_more_damage_than_is_tolerated(write_shards):
    shards, _ = write_shards([[4] * 10], labels=[0, 3, 0, 0, 4, 0, 0, 5, 0, 0])
    records = Records(shards, 0.3)
    assert len(ids(evaluation(records))) == 7
    assert (len(records.damaged), records.total) == (3, 10)
    with pytest.raises(UserError, match="3 of 10 records are damaged, and a share of 0.29 is tolerated"):
        training(Records(shards, 0.29))


def test_a_host_counts_the_records_of_its_own_shards(write_shards):
    shards, _ = write_shards([[4] * 9, [4] * 4], labels=[0] * 10 + [3] + [0] * 2)
    records = Records(shards, 0.25, num_hosts=2, host=1)
    assert len(training(records, 4, batch_size=1)) == 4
    assert (list(records.damaged), records.total) == ([(1, 1)], 4)


def test_batches_of_damaged_videos_alone_are_left_out(write_shards):
    shards, _ = write_shards([[4] * 6], labels=[0, 0, 3, 3, 0, 3])
    assert [ids([batch]) for batch in evaluation(Records(shards, 0.5))] == [["0", "1"], ["4"]]


def test_a_batch_of_damaged_records_alone_has_no_labels(write_shards):
    shards, _ = write_shards([[4] * 4], labels=[3, 3, 3, 0])
    batches = training(Records(shards, 0.9), 8, batch_size=1)
    assert sorted(batch["label"][0] for batch in batches) == [-1] * 6 + [0] * 2
    assert {batch["frames"].max() == 0 for batch in batches if batch["label"][0] < 0} == {True}


def test_nothing_intact(write_shards):
    shards, _ = write_shards([[4] * 2], labels=[3, 3])
    with pytest.raises(UserError, match="2 of 2 records"):
        training(Records(shards, 1.0))


def test_frames_smaller_than_the_crop(write_shards):
    shards, _ = write_shards([[4]], size=(24, 32))
    with pytest.raises(UserError, match="at least the crop's 25 x 25 pixels, got 32 x 24"):
        evaluation(shards, dataclasses.replace(SPEC, crop_size=25))


def test_shard_that_goes_while_it_is_read(write_shards):
    shards, _ = write_shards([[4] * 100, [4] * 100])
    batches = iter(TrainingClips(Records(shards, 0.5), SPEC, **TRAINING))
    next(batches)
    pathlib.Path(shards[1]).unlink()
    with pytest.raises(UserError, match="a shard has gone while it was read: record .* of shard .*00001-of-00002"):
        list(batches)


def test_a_program_may_end_with_clips_on_their_way(write_shards):
    shards, _ = write_shards([[4] * 100, [4] * 100])
    script = (
        "import sys\n"
        "from tsd_tf.contract.clip_spec import ClipSpec\n"
        "from tsd_tf.data.records import Records\n"
        "from tsd_tf.data.training_clips import TrainingClips\n"
        f"batches = iter(TrainingClips(Records({shards!r}), {SPEC!r}, **{TRAINING!r}))\n"
        "next(batches)\n"
        "sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 7, done.stderr


def test_errors_of_the_consumer_are_its_own(write_shards):
    shards, _ = write_shards([[4, 4]])

    def consume():
        for _ in EvaluationClips(Records(shards), SPEC, **EVALUATION):
            raise tf.errors.DataLossError(None, None, "mine")

    with pytest.raises(tf.errors.DataLossError, match="mine"):
        consume()


def test_later_iterations_read_no_record_whole_again(write_shards, monkeypatch):
    shards, _ = write_shards([[30] * 3, [30] * 2])
    read, read_record = [], tfrecord.read_record
    monkeypatch.setattr(tfrecord, "read_record", lambda *place: read.append(place) or read_record(*place))
    records = Records(shards)
    with EvaluationClips(records, SPEC, **EVALUATION) as clips:
        first = arrays(clips)
        assert len(read) == 5
        assert all(map(same, first, arrays(clips)))
    training(records, 3)
    assert len(read) == 5
    assert all(map(same, first, evaluation(shards)))
    assert len(read) == 10


def test_damage_is_reported_once_over_several_iterations(write_shards, capfd):
    shards, _ = write_shards([[4] * 5], labels=[0, 0, 3, 0, 0])
    records = Records(shards, 0.2)
    with EvaluationClips(records, SPEC, **EVALUATION) as clips:
        assert [ids(arrays(clips)) for _ in range(2)] == [["0", "1", "3", "4"]] * 2
    training(records, 5)
    assert capfd.readouterr().err.count("damaged, left out: record 2 (2)") == 1


def test_a_number_of_videos_is_rounded_up_to_whole_batches(write_shards):
    shards, _ = write_shards([[4] * 5])
    assert [len(ids(evaluation(shards, num_videos=count))) for count in (1, 2, 3, 5, 9)] == [2, 2, 4, 5, 5]


def invert_some(frames, seed):
    """An augmentation of one's own: half of the clips become their negatives."""
    return tf.cond(tf.random.stateless_uniform((), seed) < 0.5, lambda: 255 - frames, lambda: frames)


def test_an_augmentation_of_ones_own_changes_training_clips_alone(write_shards):
    shards, _ = write_shards([[50] * 4, [50] * 4])
    spec = dataclasses.replace(SPEC, augment=invert_some)
    plain, augmented = training(shards, 8), training(shards, 8, spec)
    assert all(map(same, augmented, training(shards, 8, spec)))
    changed = set()
    for one, other in zip(plain, augmented, strict=True):
        np.testing.assert_array_equal(one["seed"], other["seed"])
        for frames, found in zip(one["frames"], other["frames"], strict=True):
            is_inverted = not np.array_equal(found, frames)
            np.testing.assert_array_equal(found, 255 - frames if is_inverted else frames)
            changed.add(is_inverted)
    assert changed == {False, True}
    assert all(map(same, training(shards, 3, spec, first_step=3), augmented[3:6]))
    assert all(map(same, evaluation(shards, spec), evaluation(shards)))


def test_an_augmentation_that_returns_something_else_is_refused(write_shards):
    shards, _ = write_shards([[4] * 2])
    for augment, found in (
        (lambda frames, seed: tf.cast(frames, tf.float32), r"float32 frames of shape \(4, 16, 16, 3\)"),
        (lambda frames, seed: frames[:, :8], r"uint8 frames of shape \(4, 8, 16, 3\)"),
    ):
        with pytest.raises(UserError, match=f"`augment` must return uint8 frames of shape .* Received: {found}"):
            training(shards, 1, dataclasses.replace(SPEC, augment=augment))


def test_an_augmentation_that_fails_is_no_damage(write_shards):
    def fail(frames, seed):
        with tf.control_dependencies([tf.debugging.assert_less(seed, -(2**31), "mine")]):
            return tf.identity(frames)

    shards, _ = write_shards([[4] * 2])
    records = Records(shards, 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"):
        training(records, 1, dataclasses.replace(SPEC, augment=fail))
    assert records.damaged == {}


SEGMENTS = dataclasses.replace(SPEC, frame_sampling="segments", random_flip=False)


def test_clips_of_segments_have_a_frame_of_each_in_training(write_shards, index_of):
    shards, lengths = write_shards([[40, 3], [60]])
    seen = []
    batches = training(shards, 20, SEGMENTS)
    for batch in batches:
        for media_id, indices in zip(ids([batch]), index_of(batch["frames"]), strict=True):
            length = lengths[media_id]
            places = 4 * indices // length if length > 4 else indices
            np.testing.assert_array_equal(places, range(4) if length > 4 else places)
            assert (np.diff(indices) >= 0).all()
            seen.append((media_id, *indices))
    assert {media_id for media_id, *_ in seen} == set(lengths)
    assert len(set(seen)) > 15  # of 40, a third of them of a video that has few
    again = training(shards, 2, SEGMENTS, first_step=18)
    assert all(map(same, again, batches[18:]))


def test_a_test_of_segments_begins_with_the_middle_of_each(write_shards, index_of):
    shards, _ = write_shards([[40], [3]])
    found = {}
    for batch in evaluation(shards, SEGMENTS):
        found |= dict(zip(ids([batch]), index_of(batch["frames"]), strict=True))
    assert found["0"][0].tolist() == [5, 15, 25, 35]
    assert found["1"][0].tolist() == [0, 1, 1, 2]
    assert (found["0"][1:] * 4 // 40 == range(4)).all()
    assert len({tuple(clip) for clip in found["0"].tolist()}) == 3


def test_corners_follow_the_centre_of_each_clip(write_shards):
    (path,), _ = write_shards([[1]])
    slope = 5 * np.arange(24)[:, None] + 3 * np.arange(32)  # every window has another mean
    jpeg = cv2.imencode(".jpg", np.repeat(slope[:, :, None], 3, axis=2).astype("uint8"))[1].tobytes()
    context = {schema.MEDIA_ID: "0", schema.LABEL_INDEX: 0}
    record = sequence_example.encode(context, {schema.IMAGE_ENCODED: [jpeg] * 2})
    pathlib.Path(path).write_bytes(tfrecord.frame(record))
    spec = dataclasses.replace(SPEC, num_frames=2)
    (batch,) = evaluation([path], spec, num_clips=2, with_corners=True)
    assert batch["frames"].shape == (1, 10, 2, 16, 16, 3)
    assert batch["seed"].shape == (1, 2, 2)
    windows = [(4, 8), (0, 0), (0, 16), (8, 0), (8, 16)]
    for view, (y, x) in enumerate(windows * 2):
        for frame in batch["frames"][0, view]:
            np.testing.assert_allclose(frame, slope[y : y + 16, x : x + 16, None].repeat(3, 2), atol=6)
