import pathlib

import numpy as np
import pytest

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data import clip_reader, remote, tfrecord
from tsd_tf.data.clip_reader import ClipReader
from tsd_tf.data.records import Records


class CountingFile:
    """A file that counts the bytes that are read from it."""

    def __init__(self, file, counts):
        self._file, self._counts = file, counts

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def seek(self, *where):
        return self._file.seek(*where)

    def read(self, size):
        content = self._file.read(size)
        self._counts.append(len(content))
        return content


@pytest.fixture
def shard(write_shards):
    """(path, places) of one shard: videos of 30, 3 and 30 frames."""
    (path,), _ = write_shards([[30, 3, 30]])
    with open(path, "rb") as file:
        return pathlib.Path(path), tfrecord.index(file)


@pytest.fixture
def reader(shard):
    return new_reader(*shard)


def new_reader(path, places):
    records = Records([str(path)])
    assert records.places == {0: places}
    return ClipReader(records, ClipSpec(num_frames=4, crop_size=16, num_classes=3))


def same(one, other):
    return all(np.array_equal(first, second) for first, second in zip(one, other, strict=True))


@pytest.mark.parametrize("draws", [np.uint32(0), np.uint32(26), np.array([1, 4, 9], np.uint32)])
def test_later_visits_read_the_clip_alone_and_give_the_same(shard, reader, draws, monkeypatch):
    _, places = shard
    other = new_reader(*shard)
    counts, open_file = [], remote.open_file
    monkeypatch.setattr(remote, "open_file", lambda path: CountingFile(open_file(path), counts))
    for index in range(3):
        first = reader.read(0, index, np.uint32(5))
        assert sum(counts) == places[index][1] + 4  # the payload and its checksum
        counts.clear()
        again = reader.read(0, index, draws)
        fresh = other.read(0, index, draws)
        assert same(again, fresh)
        jpegs = sum(map(len, again[0]))
        frames_between = 12 if draws.ndim else 4
        if index != 1:
            assert jpegs <= counts[0] < frames_between * (len(again[0][0]) + 16) + 16
        assert again[2] == first[2] == 0
        counts.clear()


def test_of_frames_far_apart_those_between_are_not_read(write_shards, monkeypatch):
    (path,), _ = write_shards([[60]])
    with open(path, "rb") as file:
        places = tfrecord.index(file)
    spec = ClipSpec(num_frames=3, crop_size=16, num_classes=3)

    def choose(video_length, num_frames, draws):
        assert (video_length, num_frames) == (60, 3)
        return np.array([3, 30, 57])

    records = Records([path])
    assert records.places == {0: places}
    reader = ClipReader(records, spec, choose)
    first = reader.read(0, 0, np.uint32(0))
    counts, open_file = [], remote.open_file
    monkeypatch.setattr(remote, "open_file", lambda path: CountingFile(open_file(path), counts))
    again = reader.read(0, 0, np.uint32(0))
    assert same(first, again)
    assert len(counts) == 3
    assert sum(counts) < 3 * (max(map(len, again[0])) + 16)


def test_damage_behind_the_clip_is_found_on_the_first_visit(shard, reader):
    path, places = shard
    content = bytearray(path.read_bytes())
    content[places[2][0] + 12 + places[2][1] - 5] ^= 1  # in the last picture
    path.write_bytes(content)
    for _ in range(2):
        jpegs, _, label, _, _, problem = reader.read(0, 2, np.uint32(0))
        assert (len(jpegs), label) == (0, -1)
        assert "its checksum does not match" in clip_reader.parse_problem(problem.item())[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content, at: content[:at], "truncated: the file ends within the record at byte"),
        (lambda content, at: content[:at] + bytes(len(content) - at), "no steps of a tf.train.SequenceExample"),
    ],
)
def test_a_file_that_changes_between_visits_is_damaged(shard, reader, change, message):
    path, places = shard
    reader.read(0, 2, np.uint32(0))
    path.write_bytes(change(path.read_bytes(), places[2][0] + places[2][1] // 2))
    jpegs, _, label, media_id, _, problem = reader.read(0, 2, np.uint32(26))
    assert (len(jpegs), label, media_id) == (0, -1, b"2")
    kind, number, index, said = clip_reader.parse_problem(problem.item())
    assert (kind, number, index) == (clip_reader.DAMAGED, 0, 2)
    assert said.startswith(f"record 2 (2) of shard {path}: {message}")
