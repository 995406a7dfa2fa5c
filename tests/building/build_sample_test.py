import csv
import subprocess
import sys

import av
import numpy as np
import pytest

from tsd_tf.building.action_videos import ActionVideos
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels
from tsd_tf.video.video import Video

SCENE = ActionVideos(num_frames=12, event_frames=(4, 6), num_classes=3)
SETTINGS = ["--num_frames=12", "--event_frames=4,6", "--num_classes=3"]
COUNTS = ["--num_train=4", "--num_validate=3", "--num_test=3"]
SPLITS = {"train": 0, "test": 1, "validate": 2}  # the second part of a video's seed


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A small data set of actions, by two processes."""
    folder = tmp_path_factory.mktemp("sample") / "videos"
    arguments = [f"--output_dir={folder}", *SETTINGS, *COUNTS, "--seed=7", "--processes=2"]
    command = [sys.executable, "-m", "tfrecords.build_sample", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Wrote 4 training, 3 validation and 3 test videos: {folder}\n"
    assert "pybullet" not in done.stderr
    assert "10/10" in done.stderr  # the progress bar
    return folder


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("split", SPLITS)
def test_lists_files_and_truth_are_the_scene_s(videos, split):
    rows, events = read_csv(videos / f"{split}.csv"), read_csv(videos / f"{split}_events.csv")
    with np.load(videos / f"{split}_poses.npz") as file:
        identifiers, poses = file["youtube_id"].tolist(), file["poses"]
    assert len(rows) == len(events) == len(poses) == (4 if split == "train" else 3)
    for index, (row, event) in enumerate(zip(rows, events, strict=True)):
        rendered = SCENE.render([7, SPLITS[split], index], index % 3)
        identifier = f"{split}-{index:06d}"
        assert row == {
            "label": SCENE.class_names[index % 3],
            "youtube_id": identifier,
            "time_start": "0",
            "time_end": "0.48",
            "split": split,
        }
        assert identifiers[index] == event["youtube_id"] == identifier
        assert (int(event["event_start"]), int(event["event_frames"])) == (rendered.event_start, rendered.event_frames)
        np.testing.assert_array_equal(poses[index], rendered.poses)
        (path,) = (videos / split / row["label"]).glob(f"{identifier}_*.mp4")
        decoded = np.stack(list(Video(path).frames(frame_rate=25.0, short_side=64)))
        assert decoded.shape == rendered.frames.shape
        # Colours share a sample among four pixels, which the sensor's noise does not survive: means of four by four.
        means = [frames.reshape(12, 16, 4, 16, 4, 3).mean((2, 4)) for frames in (decoded, rendered.frames)]
        assert np.abs(means[0] - means[1]).mean() < 1.5


def test_trimmed_videos_are_the_training_videos_events(videos):
    whole = [SCENE.render([7, 0, index], index % 3).trimmed() for index in range(4)]
    events = read_csv(videos / "trimmed_events.csv")
    assert [(int(event["event_start"]), int(event["event_frames"])) for event in events] == [
        (video.event_start, video.event_frames) for video in whole
    ]
    with np.load(videos / "trimmed_poses.npz") as file:
        np.testing.assert_array_equal(file["poses"], np.stack([video.poses for video in whole]))
    (path,) = videos.glob("trimmed/*/trimmed-000000_*.mp4")
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in file.decode(video=0)) == 8


def test_the_same_command_writes_the_same_files(videos, tmp_path, run_program, contents):
    again = tmp_path / "again"
    done = run_program(
        "tfrecords.build_sample", f"--output_dir={again}", *SETTINGS, *COUNTS, "--seed=7", "--processes=1"
    )
    assert done.returncode == 0, done.stderr
    assert contents(again) == contents(videos)


@pytest.mark.slow
def test_videos_become_shards(videos, tmp_path, run_program):
    for split in ("train", "trimmed", "test"):
        lists = [f"--csv={videos}/{split}.csv", f"--videos_dir={videos}/{split}", f"--labels={videos}/labels.txt"]
        done = run_program(
            *("tfrecords.build_kinetics", *lists, f"--split={split}", f"--output_dir={tmp_path}/shards"),
            *("--short_side=64", "--num_shards=1", "--processes=1"),
        )
        assert done.returncode == 0, done.stderr
    assert read_labels(tmp_path / "shards") == ["kick", "cartwheel", "crawl"]
    shards = find_shards(tmp_path / "shards", "test")
    (batch,) = EvaluationClips(Records(shards), ClipSpec(12, 64, 3), num_clips=1, batch_size=3, seed=0)
    labels = dict(zip(batch["media_id"].numpy().tolist(), batch["label"].numpy().tolist(), strict=True))
    assert labels == {f"test-{index:06d}_000000_000000".encode(): index for index in range(3)}
    # Those of another class list do not get between them.
    (tmp_path / "more.txt").write_text("kick\ncartwheel\ncrawl\nbackflip\n")
    done = run_program(
        *("tfrecords.build_kinetics", f"--csv={videos}/validate.csv", f"--videos_dir={videos}/validate"),
        *(f"--labels={tmp_path}/more.txt", "--split=validate", f"--output_dir={tmp_path}/shards", "--processes=1"),
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path}/shards/labels.txt holds another class list; remove it, or choose another --output_dir\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--task=axis", "--size=64"], "--task=axis takes no --size"),
        (["--task=direction", "--noclutter"], "--task=direction takes no --clutter"),
        (["--num_axes=4"], "--task=actions takes no --num_axes"),
        (["--event_frames=10"], "--event_frames must be two numbers, as 10,14. Received: 10"),
        (["--event_frames=a,b"], "--event_frames must be two numbers, as 10,14. Received: a,b"),
        (
            ["--num_frames=15"],
            "--num_frames must be at least 2 more than the longest event's. "
            "Received: --num_frames=15, --event_frames=10,14",
        ),
        (["--size=300"], "--size must be from 64 to 224, and even. Received: --size=300"),
    ],
)
def test_flags_that_do_not_fit(tmp_path, run_program, arguments, line):
    done = run_program("tfrecords.build_sample", f"--output_dir={tmp_path}/videos", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")
    assert not any(tmp_path.iterdir())


def test_an_unknown_task(tmp_path, run_program):
    done = run_program("tfrecords.build_sample", f"--output_dir={tmp_path}/videos", "--task=sprites")
    assert done.returncode == 2
    assert done.stderr.startswith("error: flag --task=sprites: value should be one of <actions|axis|direction>")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_exists_stays_as_it_is(tmp_path, run_program):
    done = run_program("tfrecords.build_sample", f"--output_dir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} already exists; remove it or choose another --output_dir\n"


def test_without_pybullet_it_is_one_line_and_the_sprites_do_without(tmp_path):
    program = (
        "import sys; sys.modules['pybullet'] = sys.modules['pybullet_data'] = None\n"
        "from tfrecords import build_sample; build_sample.start()"
    )
    command = [sys.executable, "-c", program, f"--output_dir={tmp_path}/videos"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (
        "error: this program needs pybullet_data, which is not installed: pip install 'tsd_tf[sample]'\n"
    )
    sprites = [*command, "--task=axis", "--num_train=1", "--num_test=1", "--processes=1"]
    done = subprocess.run(sprites, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "videos/labels.txt").read_text().splitlines()[0] == "red horizontal"
    assert not list((tmp_path / "videos").glob("*.npz"))
