"""What the lists of a sample data set say of its videos."""

import csv
import shutil

import pytest

from tsd_tf.building import listed_video
from tsd_tf.contract.errors import UserError


def test_the_videos_of_a_split_with_their_classes_and_events(sample_videos):
    videos = listed_video.read(sample_videos, "test")
    names = (sample_videos / "labels.txt").read_text().splitlines()
    assert [video.label for video in videos] == names
    with (sample_videos / "test_events.csv").open() as file:
        events = [(int(row["event_start"]), int(row["event_frames"])) for row in csv.DictReader(file)]
    for index, (video, (start, length)) in enumerate(zip(videos, events, strict=True)):
        assert video.path == sample_videos / f"test/{video.label}/test-{index:06d}_000000_000001.mp4"
        assert video.event == range(start, start + length)
        assert len(video.event) > 0


def test_what_is_missing_is_named(sample_videos, tmp_path):
    with pytest.raises(UserError, match=r"test.csv is missing; python -m tfrecords.build_sample makes one"):
        listed_video.read(tmp_path, "test")
    for name in ("test.csv", "test_events.csv"):
        shutil.copy(sample_videos / name, tmp_path)
    with pytest.raises(UserError, match="has no video test-000000, which its list names"):
        listed_video.read(tmp_path, "test")
    shutil.copy(sample_videos / "train_events.csv", tmp_path / "test_events.csv")
    with pytest.raises(UserError, match=r"test.csv and test_events.csv are not of one sample data set"):
        listed_video.read(tmp_path, "test")
