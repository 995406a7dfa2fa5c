import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
HEADER = "label,youtube_id,time_start,time_end,split,is_cc\r\n"


def test_every_row_is_accounted_for(kinetics, tmp_path, run_program, contents):
    out = tmp_path / "out"
    done = run_program("tfrecords.build_kinetics", *kinetics, f"--output_dir={out}", "--num_shards=2", "--processes=2")
    assert done.returncode == 0, done.stderr
    assert "10 rows: 5 written, 1 truncated, 1 missing, 2 unreadable, 1 too short" in done.stdout
    with open(out / "manifest-train.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["media_id"], row["status"], row["num_frames"]) for row in rows] == [
        ("2", "--a_000003_000004", "written", "25"),
        ("3", 'it\'s a "b"_000010_000011', "written", "25"),
        ("4", "c_000000_000001", "written", "25"),
        ("5", "c_000002_000004", "truncated", "25"),
        ("6", "c_000005_000006", "too short", "0"),
        ("7", "broken_000000_000001", "unreadable", "0"),
        ("8", "gone_000000_000001", "missing", "0"),
        ("9", "still_000000_000001", "written", "25"),
        ("10", "stuck_000000_000001", "written", "25"),
        ("11", "sound_000000_000001", "unreadable", "0"),
    ]
    assert rows[3]["reason"] == "1.00 s of the 2.00 s that the annotation promises"
    assert "the video lasts 3.00 s" in rows[4]["reason"]
    assert "all 25 frames are the same picture" in rows[7]["reason"]
    assert "frames 10 to 24 are the same picture" in rows[8]["reason"]
    assert all(row["reason"] for row in rows if row["status"] != "written")
    assert [row["reason"] for row in rows[:3]] == [""] * 3
    manifest = json.loads((out / "manifest-train.json").read_text())
    assert manifest["counts"] == {"written": 5, "truncated": 1, "missing": 1, "unreadable": 2, "too short": 1}
    assert {name: shard["bytes"] for name, shard in manifest["shards"].items()} == {
        path.name: path.stat().st_size for path in out.glob("train-*")
    }
    assert sorted(contents(out)) == [
        "labels.txt",
        "manifest-train.csv",
        "manifest-train.json",
        "train-00000-of-00002",
        "train-00001-of-00002",
    ]
    shards = find_shards(out, "train")
    examples = {}
    for shard in shards:
        for record in tf.data.TFRecordDataset(shard).as_numpy_iterator():
            example = tf.train.SequenceExample.FromString(record)
            feature = example.context.feature
            media_id = feature["clip/media_id"].bytes_list.value[0].decode()
            examples[media_id] = example
            assert next(row["shard"] for row in rows if row["media_id"] == media_id) == pathlib.Path(shard).name
            assert feature["image/format"].bytes_list.value[0] == b"JPEG"
            assert feature["image/frame_rate"].float_list.value[0] == 25.0
            assert feature["clip/label/string"] == feature["clip/label/text"]
            assert (feature["image/height"].int64_list.value[0], feature["image/width"].int64_list.value[0]) == (24, 36)
    assert len(examples) == 6
    example = examples["c_000002_000004"]
    feature, steps = example.context.feature, example.feature_lists.feature_list
    assert feature["clip/label/index"].int64_list.value[0] == 1
    assert feature["clip/label/string"].bytes_list.value[0] == b"air drumming"
    assert feature["clip/data_path"].bytes_list.value[0] == b"c.avi"
    assert feature["clip/start/timestamp"].int64_list.value[0] == 2_000_000
    assert feature["clip/end/timestamp"].int64_list.value[0] == 3_000_000
    times = [step.int64_list.value[0] for step in steps["image/timestamp"].feature]
    assert times == list(range(2_000_000, 3_000_000, 40_000))
    levels = [
        tf.reduce_mean(tf.cast(tf.io.decode_jpeg(step.bytes_list.value[0]), tf.float32)).numpy()
        for step in steps["image/encoded"].feature
    ]
    assert levels == pytest.approx([4 * (100 + 2 * k) % 256 for k in range(25)], abs=3.9)  # 50 a second, from 2 s


def test_killed_and_started_again_the_bytes_are_the_same(tmp_path, write_video, contents):
    classes = ["abseiling", "air drumming"]
    for i in range(40):
        write_video(f"videos/v{i}.avi", 20 + i, size=(120, 160))
    rows = "".join(f"{classes[i % 2]},v{i},0,3,train,0\n" for i in range(40))
    (tmp_path / "train.csv").write_text(HEADER + rows)

    def command(out):
        arguments = [f"--csv={tmp_path}/train.csv", f"--videos_dir={tmp_path}/videos", "--split=train"]
        arguments += [f"--output_dir={out}", "--num_shards=2", "--processes=2"]
        return [sys.executable, "-m", "tfrecords.build_kinetics", *arguments]

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    subprocess.run(command(whole), cwd=ROOT, check=True, capture_output=True)
    working = resumed / ".building-train"
    # Each part is made of five pieces. Killed as soon as the first piece is there, and the first part.
    for name in ("part-?????-?????.json", "part-?????.json"):
        process = subprocess.Popen(command(resumed), cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 60
        while not list(working.glob(name)) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert list(working.glob(name))
        assert not list(resumed.glob("train-*"))
    done = subprocess.run(command(resumed), cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(re.search(r"(\d+)/40", done.stderr)[1]) >= 20  # it went on, and did not begin again
    assert contents(resumed) == contents(whole)
    assert len(list(whole.glob("train-*-of-00002"))) == 2


def test_a_finished_build_is_left_alone_and_another_is_refused(kinetics, tmp_path, run_program, contents):
    out = tmp_path / "out"
    arguments = [*kinetics, f"--output_dir={out}", "--processes=1"]
    assert run_program("tfrecords.build_kinetics", *arguments).returncode == 0
    before = contents(out)
    again = run_program("tfrecords.build_kinetics", *arguments)
    assert again.returncode == 0
    assert "already complete" in again.stdout
    other = run_program("tfrecords.build_kinetics", *arguments, "--jpeg_quality=50")
    assert other.returncode == 1
    assert other.stderr.startswith(f"error: {out} holds train shards of another build")
    assert other.stderr.endswith("; --overwrite replaces them\n")
    assert contents(out) == before
    other = run_program("tfrecords.build_kinetics", *arguments, "--jpeg_quality=50", "--overwrite", "--num_shards=1")
    assert other.returncode == 0
    assert len(list(out.glob("train-*"))) == 1
    assert find_shards(out, "train") == [f"{out}/train-00000-of-00001"]
    assert run_program("tfrecords.build_kinetics", *arguments, "--split=val", "--num_shards=1").returncode == 0
    assert len(find_shards(out, "validate")) == 1  # the name that training looks for


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--csv=none.csv"], "cannot read the annotations none.csv"),
        (["--videos_dir=none"], "--videos_dir must be a folder of video files. Received: --videos_dir=none"),
        (["--labels={tmp}/labels.txt"], "line 2: 'air drumming' is not among the 1 classes"),
        (["--csv={tmp}/others.csv"], "none of the 1 videos is in"),
        (
            ["--csv={tmp}/broken.csv"],
            "none of the 1 videos could be read; {tmp}/out/manifest-train.csv lists the reasons",
        ),
    ],
)
def test_a_users_mistake_is_one_line(kinetics, tmp_path, run_program, changes, message):
    (tmp_path / "labels.txt").write_text("abseiling\n")
    (tmp_path / "others.csv").write_text(HEADER + "abseiling,others,0,1,train,0\n")
    (tmp_path / "broken.csv").write_text(HEADER + "abseiling,broken,0,1,train,0\n")
    changes = [change.format(tmp=tmp_path) for change in changes]
    done = run_program("tfrecords.build_kinetics", *kinetics, f"--output_dir={tmp_path}/out", *changes)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert message.format(tmp=tmp_path) in line
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/train-*"))


def test_real_videos(test_data, tmp_path, run_program):
    (tmp_path / "k.csv").write_text(HEADER + "abseiling,test,1,6,val,0\n")
    arguments = [f"--csv={tmp_path}/k.csv", f"--videos_dir={test_data}/videos", f"--output_dir={tmp_path}/out"]
    done = run_program("tfrecords.build_kinetics", *arguments, "--split=validate", "--processes=1")
    assert done.returncode == 0, done.stderr
    shards = find_shards(tmp_path / "out", "validate")
    (batch,) = EvaluationClips(Records(shards), ClipSpec(40, 224, 400), num_clips=2, batch_size=1, seed=0)
    assert batch["frames"].shape == (1, 2, 40, 224, 224, 3)
    assert 20 < batch["frames"].numpy().mean() < 235
