import csv
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from tsd_tf.building import annotations, conversion, sharding
from tsd_tf.contract.errors import UserError
from tsd_tf.video.video import decoder_versions

pytestmark = pytest.mark.slow


@pytest.fixture
def rows(write_video):
    """Three clips of which each takes its time to decode; the order of the shard is that of a hash."""
    for i in range(3):
        write_video(f"videos/v{i}.avi", 30, size=(720, 1280))
    return [annotations.Row(i + 1, f"v{i}", 0, "a", 0.0, None, ((f"v{i}", 0.0),)) for i in range(3)]


def build(rows, tmp_path, out, **options):
    arguments = (rows, tmp_path / "videos", tmp_path / out, "train", ["a"], conversion.Settings(short_side=32))
    return sharding.build(*arguments, num_shards=1, processes=1, **options)


def disturb(working_dir, signal_number, times):
    """Sends a signal to each of the first worker processes, as soon as it writes."""
    known = set()
    deadline = time.monotonic() + 60
    while len(known) < times and time.monotonic() < deadline:
        for path in working_dir.glob(".*.partial.part-*"):
            pid = int(path.name.split("-")[1])
            if pid not in known and pid in {process.pid for process in multiprocessing.active_children()}:
                os.kill(pid, signal_number)
                known.add(pid)
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("signal_number", "times", "reason"),
    [
        (signal.SIGKILL, 1, None),
        (signal.SIGKILL, 2, "the decoder crashed (exit code -9)"),
        (signal.SIGSTOP, 2, "the decoder was still busy after 1.5 s"),
    ],
)
def test_a_video_that_takes_its_process_down(rows, tmp_path, signal_number, times, reason):
    """Once is chance; twice at the same video, and it is left out with the reason, the others are written."""
    disturber = threading.Thread(target=disturb, args=(tmp_path / "out/.building-train", signal_number, times))
    disturber.start()
    counts = build(rows, tmp_path, "out", hang_seconds=1.5)
    disturber.join()
    assert counts == dict.fromkeys(conversion.STATUSES, 0) | (
        {"written": 3} if reason is None else {"written": 2, "unreadable": 1}
    )
    with open(tmp_path / "out/manifest-train.csv", newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file) if row["status"] == "unreadable"]
    assert reasons == ([] if reason is None else [reason])
    if reason is None:
        build(rows, tmp_path, "undisturbed")
        name = "train-00000-of-00001"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_two_builds_of_one_folder(rows, tmp_path):
    other = threading.Thread(target=build, args=(rows, tmp_path, "out"))
    other.start()
    while not list(tmp_path.glob("out/.building-train/.*.partial.part-*")):
        time.sleep(0.002)
    with pytest.raises(UserError, match="another build is writing the train shards"):
        build(rows, tmp_path, "out")
    other.join()
    assert (tmp_path / "out/train-00000-of-00001").is_file()


def test_a_folder_of_another_class_list(rows, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/labels.txt").write_text("b\n")
    with pytest.raises(UserError, match=r"labels.txt holds another class list"):
        build(rows, tmp_path, "out")


def test_counts_below_one(rows, tmp_path):
    arguments = (rows, tmp_path / "videos", tmp_path / "out", "train", ["a"], conversion.Settings())
    with pytest.raises(UserError, match="must be at least 1. Received: num_shards=0, processes=2"):
        sharding.build(*arguments, num_shards=0, processes=2)
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(rows, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="cannot write to .*out"):
        build(rows, tmp_path, "out")


def test_shards_of_another_decoder_are_noted(rows, tmp_path, capsys):
    build(rows, tmp_path, "out")
    assert "Note" not in capsys.readouterr().out
    path = tmp_path / "out/manifest-train.json"
    manifest = json.loads(path.read_text())
    assert manifest["codecs"] == {"mjpeg": 3}
    manifest["decoder"]["libavcodec"] = "1.2.3"
    path.write_text(json.dumps(manifest))
    build(rows, tmp_path, "out")
    note = capsys.readouterr().out
    assert "already complete" in note
    assert "libavcodec 1.2.3 then" in note
    assert "PyAV" not in note
    manifest["decoder"] = {**decoder_versions(), "libold": "3"}
    path.write_text(json.dumps(manifest))
    build(rows, tmp_path, "out")
    assert capsys.readouterr().out.endswith("other pictures: libold 3 then, unknown now\n")
    del manifest["decoder"]
    path.write_text(json.dumps(manifest))
    build(rows, tmp_path, "out")
    assert "PyAV unknown then" in capsys.readouterr().out
