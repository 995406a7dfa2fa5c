import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.contract import schema
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data import sequence_example
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels


def test_builds_and_verifies(tmp_path, write_video, run_program):
    write_video("v/one folder/it's 1.mp4", 30)
    write_video("v/2.avi", 60)
    (tmp_path / "c.csv").write_text(
        "video,label,time_start,time_end\none folder/it's 1.mp4,wave,,\n2.avi,clap,1,2\n3.avi,clap,,\n"
    )
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=train", "--short_side=24", "--processes=1")
    assert done.returncode == 0, done.stderr
    assert "3 rows: 2 written, 0 truncated, 1 missing" in done.stdout
    shards = find_shards(tmp_path / "out", "train")
    assert read_labels(tmp_path / "out") == ["clap", "wave"]
    (batch,) = EvaluationClips(Records(shards), ClipSpec(4, 24, 2), num_clips=1, batch_size=2, seed=0)
    labels = dict(zip(batch["media_id"].numpy().tolist(), batch["label"].numpy().tolist(), strict=True))
    assert labels == {b"one folder/it's 1": 1, b"2_1_2": 0}
    assert run_program("tfrecords.verify", tmp_path / "out", "--processes=1").returncode == 0


def test_videos_as_phones_and_the_web_make_them(
    tmp_path, write_video, run_program, rotate_by_header, stretch_tenth_frame
):
    """Turned in the header, of odd sizes, of a varying frame rate: upright, and one frame every 40 ms."""
    rotate_by_header(write_video("v/turned.mp4", 20, size=(32, 48)))
    stretch_tenth_frame(write_video("v/varying.mp4", 20, size=(32, 48)))
    write_video("v/odd.avi", 20, size=(45, 63))
    (tmp_path / "c.csv").write_text("video,label,time_start,time_end\nturned.mp4,a,,\nvarying.mp4,a,,\nodd.avi,a,,\n")
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=train", "--short_side=24", "--num_shards=1")
    assert "3 rows: 3 written" in done.stdout, done.stderr
    found = {}
    for record in tf.data.TFRecordDataset(find_shards(tmp_path / "out", "train")).as_numpy_iterator():
        context, lists = sequence_example.decode(record)
        jpegs = [np.frombuffer(jpeg, np.uint8) for (jpeg,) in lists[schema.IMAGE_ENCODED]]
        pictures = np.stack([cv2.imdecode(jpeg, cv2.IMREAD_COLOR) for jpeg in jpegs])
        times = [time for (time,) in lists[schema.IMAGE_TIMESTAMP]]
        assert times == [40_000 * index for index in range(len(times))]
        found[context[schema.MEDIA_ID][0].decode()] = pictures
    assert {name: pictures.shape for name, pictures in found.items()} == {
        "turned": (20, 36, 24, 3),
        "varying": (29, 24, 36, 3),
        "odd": (20, 24, 34, 3),
    }
    levels = np.rint(found["varying"].mean((1, 2, 3)) / 4).astype(int)  # frame i is all grey of level 4 i
    assert levels.tolist() == [*range(9), *[9] * 10, *range(10, 20)]
    assert run_program("tfrecords.verify", tmp_path / "out", "--processes=1").returncode == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028"])
def test_a_class_name_with_a_line_break(tmp_path, write_video, run_program, end):
    write_video("v/x.avi", 3)
    (tmp_path / "c.csv").write_bytes(f'video,label\nx.avi,"a{end}b"\nx.avi,c\n'.encode())
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=train")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: expected class names of one line each, for labels.txt, got {f'a{end}b'!r} for class 0; "
        "correct the annotations or the class list\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_library_argument_is_named_as_the_flag(tmp_path, run_program):
    (tmp_path / "c.csv").write_text("video,label\nx.mp4,0\n")
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}", "--split=train", "--first_label=0"]
    done = run_program("tfrecords.build_custom", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path}/c.csv: --first_label needs --labels: numbers do not name classes\n"


def test_names_that_are_not_utf_8(tmp_path, write_video, run_program):
    name = os.fsdecode(b"caf\xe9")
    write_video("v/wave/x.avi", 30).rename(tmp_path / f"v/wave/{name}.avi")
    (tmp_path / f"v/wave/{name}.mp4").write_bytes(b"no video")
    arguments = [f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out", "--short_side=24", "--processes=1"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=train")
    assert done.returncode == 0, done.stderr
    assert "2 rows: 1 written, 0 truncated, 0 missing, 1 unreadable" in done.stdout
    assert b"wave/caf\xe9.avi" in (tmp_path / "out/manifest-train.csv").read_bytes()
    (record,) = tf.data.TFRecordDataset(find_shards(tmp_path / "out", "train")).as_numpy_iterator()
    context, _ = sequence_example.decode(record)
    assert context[schema.MEDIA_ID] == context[schema.DATA_PATH] == [b"wave/caf\xe9.avi"]
    done = run_program("tfrecords.verify", tmp_path / "out", "--processes=1")
    assert (done.returncode, done.stdout[-12:]) == (0, "no problems\n"), done.stdout
    manifest = tmp_path / "out/manifest-train.csv"
    manifest.write_bytes(manifest.read_bytes().replace(b"caf\xe9", b"caf\xe8"))
    done = run_program("tfrecords.verify", tmp_path / "out", "--processes=1")
    assert (done.returncode, "the first is wave/caf\\udce9.avi" in done.stdout) == (1, True), done.stderr
    (tmp_path / "v/wave").rename(tmp_path / f"v/{name}")
    done = run_program("tfrecords.build_custom", *arguments, "--split=test")
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected class names in UTF-8, for labels.txt, got 'caf\\udce9' for class 0" in done.stderr


def test_a_split_by_the_name_that_folders_have(tmp_path, write_video, run_program):
    write_video("v/wave/1.avi", 3)
    arguments = [f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out", "--short_side=24", "--processes=1"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=val", "--test_share=0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: --split puts all videos into one split: leave out --validate_share and --test_share\n"
    )
    for split, written in (("val", "validate"), ("trimmed", "trimmed")):
        done = run_program("tfrecords.build_custom", *arguments, f"--split={split}")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"out/{written}-00000-of-00001").is_file()


def test_a_split_that_fails_does_not_keep_the_others(tmp_path, write_video, run_program):
    write_video("v/train/wave/1.avi", 3)
    write_video("v/test/wave/3.avi", 3)
    (tmp_path / "v/val/wave").mkdir(parents=True)
    (tmp_path / "v/val/wave/2.avi").write_bytes(b"<html>410 Gone</html>")
    arguments = [f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out", "--short_side=24", "--processes=1"]
    done = run_program("tfrecords.build_custom", *arguments)
    assert done.returncode == 1
    reason = f"none of the 1 videos could be read; {tmp_path}/out/manifest-validate.csv lists the reasons"
    assert f"not built: {reason}\n" in done.stderr
    assert done.stderr.endswith("error: 1 of 3 splits were not built: validate; see above\n")
    assert sorted(path.name for path in (tmp_path / "out").glob("*-of-*")) == [
        "test-00000-of-00001",
        "train-00000-of-00001",
    ]
    # With another file in its place, the same command builds what is missing.
    write_video("v/val/wave/2.avi", 3)
    done = run_program("tfrecords.build_custom", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/validate-00000-of-00001").is_file()
