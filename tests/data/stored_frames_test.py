import json

import cv2
import numpy as np
import pytest

from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import sequence_example, tfrecord
from tsd_tf.data.stored_frames import StoredFrames, read_stored_frames, stored_frames_of


@pytest.fixture
def write(tmp_path):
    """Writes a split of one record; returns the folder."""

    def write(split="train", settings=None, times=(0, 100_000, 200_000), context=(), size=(48, 64), shard="0-of-00001"):
        jpeg = cv2.imencode(".jpg", np.zeros((*size, 3), np.uint8))[1].tobytes()
        lists = {schema.IMAGE_ENCODED: [jpeg] * 3, schema.IMAGE_TIMESTAMP: list(times)}
        payload = sequence_example.encode({schema.LABEL_INDEX: 0, **dict(context)}, lists)
        (tmp_path / f"{split}-0000{shard}").write_bytes(tfrecord.frame(payload))
        if settings:
            (tmp_path / f"manifest-{split}.json").write_text(json.dumps({"settings": settings}))
        return tmp_path

    return write


def test_what_the_builder_wrote_down(write):
    folder = write(settings={"frame_rate": 12.0, "short_side": 100, "square_pixels": True})
    assert read_stored_frames(folder, "train") == StoredFrames(12.0, 100, True)


def test_shards_of_others(write):
    """DMVR's example writes ten frames a second and says so in the timestamps alone."""
    assert read_stored_frames(write(), "train") == StoredFrames(10.0, 48)
    assert read_stored_frames(write(context={schema.IMAGE_FRAME_RATE: 29.97}.items()), "train").frame_rate == 29.97
    assert read_stored_frames(write(times=["a", "b", "c"]), "train") == StoredFrames(None, 48)
    assert read_stored_frames(write(settings={"jpeg_quality": 90}), "train") == StoredFrames(10.0, 48)


def test_a_damaged_first_record(write):
    folder = write()
    shard = folder / "train-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert read_stored_frames(folder, "train") == StoredFrames(None, None)


def test_splits_that_differ_are_refused(write):
    write("train", {"frame_rate": 25.0, "short_side": 64})
    folder = write("test", {"frame_rate": 10.0, "short_side": 32})
    expected = "test and train shards of .* hold 10 and 25 frames a second; a short side of 32 and of 64 pixels"
    with pytest.raises(UserError, match=expected):
        stored_frames_of(folder, ["train", "test"])
    assert stored_frames_of(folder, ["train", "train"]).frame_rate == 25.0


def test_shards_of_others_that_differ(write):
    write(shard="0-of-00003")
    write(times=[0, 100_001, 200_003], shard="1-of-00003")
    folder = write(shard="2-of-00003", size=(64, 64))
    assert read_stored_frames(folder, "train") == StoredFrames(10.0, None)
    write(shard="2-of-00003", times=[0, 40_000, 80_000])
    assert read_stored_frames(folder, "train") == StoredFrames(None, 48)
    shard = folder / "train-00000-of-00003"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    write(shard="1-of-00003", times=[0, 40_000, 80_000])
    assert read_stored_frames(folder, "train") == StoredFrames(25.0, 48)


def test_differences_are_told_in_order():
    square, stored = StoredFrames(25.0, 64, True), StoredFrames(None, 64)
    assert square.differences(stored) == ["pixels made square, and as stored"]
    assert stored.differences(square) == ["pixels as stored, and made square"]
