"""Several files for one row, links, files that are trimmed already, folders of pictures: what copies are like."""

import os
import pickle
import signal
import threading
import time

import cv2
import numpy as np
import pytest

from tsd_tf.building import annotations, conversion, sharding
from tsd_tf.building.part import Part
from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import sequence_example, tfrecord

HEADER = "label,youtube_id,time_start,time_end\n"


@pytest.fixture
def build(tmp_path):
    def build(rows, out="out", **options):
        settings = conversion.Settings(short_side=24, frame_folder_rate=options.pop("frame_folder_rate", None))
        arguments = (rows, tmp_path / "videos", tmp_path / out, "train", ["a"], settings)
        return sharding.build(*arguments, num_shards=1, processes=1, **options)

    return build


@pytest.fixture
def kinetics_rows(tmp_path):
    def rows(*lines):
        (tmp_path / "k.csv").write_text(HEADER + "".join(f"a,{line}\n" for line in lines))
        return annotations.read_kinetics(tmp_path / "k.csv", ["a"])

    return rows


def levels(folder):
    """{media id: what the frames' grey levels say of their indices}, and what the records say of their files."""
    found, paths = {}, {}
    with open(folder / "train-00000-of-00001", "rb") as file:
        for _, payload in tfrecord.scan(file):
            context, lists = sequence_example.decode(payload)
            (name,) = context[schema.MEDIA_ID]
            pictures = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0) for (jpeg,) in lists[schema.IMAGE_ENCODED]]
            found[name.decode()] = [round(float(picture.mean()) / 4) for picture in pictures]
            paths[name.decode()] = context[schema.DATA_PATH][0].decode()
    return found, paths


def test_a_whole_replacement_is_taken(tmp_path, write_video, kinetics_rows, build, manifest):
    broken, short = tmp_path / "videos/a/x_000001_000002.avi", tmp_path / "videos/a/y_000001_000002.avi"
    write_video("videos/replacement/x_000001_000002.avi", 25)
    broken.parent.mkdir()
    broken.write_bytes(b"<html>410 Gone</html>")
    write_video("videos/a/y_000001_000002.avi", 10)
    write_video("videos/other/y_000001_000002.avi", 12)
    (tmp_path / "videos/y.avi").write_bytes(b"no video")
    rows = kinetics_rows("x,1,2", "y,1,2", "z,1,2")
    assert build(rows) == dict.fromkeys(conversion.STATUSES, 0) | {"written": 1, "truncated": 1, "missing": 1}
    found = manifest(tmp_path / "out")
    x, y = found["x_000001_000002"], found["y_000001_000002"]
    assert (x["status"], x["data_path"]) == ("written", "replacement/x_000001_000002.avi")
    assert x["reason"].startswith(
        "taken from replacement/x_000001_000002.avi; passed over: a/x_000001_000002.avi (unreadable; no video stream"
    )
    assert (y["status"], y["data_path"], y["num_frames"]) == ("truncated", "other/y_000001_000002.avi", "12")
    assert y["reason"].startswith("0.48 s of the 1.00 s that the annotation promises; taken from other/y_")
    assert "a/y_000001_000002.avi (truncated; 0.40 s of the 1.00 s" in y["reason"]
    assert "y.avi (unreadable; " in y["reason"]
    assert found["z_000001_000002"]["data_path"] == ""
    assert levels(tmp_path / "out")[1] == {name: row["data_path"] for name, row in found.items() if row["shard"]}
    assert short.exists()


def test_where_no_candidate_gives_a_record_none_is_taken(tmp_path, write_video, kinetics_rows, build, manifest):
    for name in ("a/x_000001_000002.avi", "b/x_000001_000002.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True)
        (tmp_path / "videos" / name).write_bytes(b"no video")
    write_video("videos/y_000001_000002.avi", 25)
    build(kinetics_rows("x,1,2", "y,1,2"))
    row = manifest(tmp_path / "out")["x_000001_000002"]
    assert (row["status"], row["data_path"]) == ("unreadable", "a/x_000001_000002.avi")
    assert row["reason"].startswith("a/x_000001_000002.avi: no video stream")
    assert "; also tried: b/x_000001_000002.avi (unreadable; no video stream" in row["reason"]
    assert "taken" not in row["reason"]


@pytest.mark.parametrize("place", [(sequence_example, "encode"), (tfrecord, "frame")])
def test_a_record_too_large_for_the_memory_costs_only_its_row(tmp_path, write_video, kinetics_rows, monkeypatch, place):
    def fail(*_):
        raise MemoryError

    write_video("videos/a/x_000001_000002.avi", 25)
    tasks = tuple(sharding.find(kinetics_rows("x,1,2"), tmp_path / "videos"))
    part = Part(tmp_path, 0, tasks, conversion.Settings(short_side=24))
    monkeypatch.setattr(*place, fail)
    part.piece(0).run({}, [].append)
    part.run({}, [].append)
    (outcome,) = part.outcomes()
    assert (outcome.status, outcome.reason, outcome.num_frames) == ("unreadable", "not enough memory", 0)
    assert part.path.read_bytes() == b""


def test_every_candidate_belongs_to_the_plan(tmp_path, write_video, kinetics_rows, build, capsys, contents):
    """Also one that was not needed; the bytes are the same after a break, and of a part that has travelled."""
    write_video("videos/a/x_000001_000002.avi", 25)
    write_video("videos/b/x_000001_000002.avi", 25)
    rows = kinetics_rows("x,1,2")
    build(rows)
    build(rows)
    assert "the train shards are already complete" in capsys.readouterr().out
    (task,) = sharding.find(rows, tmp_path / "videos")
    part = pickle.loads(pickle.dumps(Part(tmp_path, 0, (task,), conversion.Settings(short_side=24))))
    part.piece(0).run({}, [].append)
    part.run({}, [].append)
    assert (tmp_path / "part-00000").read_bytes() == (tmp_path / "out/train-00000-of-00001").read_bytes()
    write_video("videos/b/x_000001_000002.avi", 26)
    with pytest.raises(UserError, match="holds train shards of another build"):
        build(rows)


def test_a_file_that_takes_its_process_down_costs_only_itself(tmp_path, write_video, kinetics_rows, build, manifest):
    """The one that is tried after it is whole."""
    write_video("videos/a/x_000001_000002.avi", 25, size=(1440, 2560))
    write_video("videos/b/x_000001_000002.avi", 25)
    working_dir = tmp_path / "out/.building-train"

    def disturb():
        killed = set()
        while len(killed) < 2:
            for path in working_dir.glob(".*.partial.part-*"):
                pid = int(path.name.split("-")[1])
                if pid not in killed and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.001)

    disturber = threading.Thread(target=disturb, daemon=True)
    disturber.start()
    build(kinetics_rows("x,1,2"))
    disturber.join(timeout=10)
    row = manifest(tmp_path / "out")["x_000001_000002"]
    assert (row["status"], row["data_path"]) == ("written", "b/x_000001_000002.avi")
    crash = "passed over: a/x_000001_000002.avi (unreadable; the decoder crashed (exit code -9))"
    assert row["reason"] == f"taken from b/x_000001_000002.avi; {crash}"


@pytest.mark.parametrize(
    ("start", "end", "num_frames", "expected", "reason"),
    [
        (50, 52, 50, range(50), "taken as trimmed already: the file lasts 2.00 s, the row ends at 52 s"),
        (1, 3, 50, range(50), "taken as trimmed already: the file lasts 2.00 s, the row ends at 3 s"),
        (50, 52, 74, range(50), "taken as trimmed already: the file lasts 2.96 s, the row ends at 52 s"),
        (50, 52, 80, None, "the video lasts 3.20 s"),
        (1, 3, 63, range(25, 63), "1.52 s of the 2.00 s that the annotation promises"),
        (1, 3, 65, range(25, 65), "1.60 s of the 2.00 s that the annotation promises"),
        (1, 3, 75, range(25, 75), ""),
        (0, 2, 50, range(50), ""),
    ],
)
def test_files_that_are_trimmed_already(
    tmp_path, write_video, kinetics_rows, build, manifest, start, end, num_frames, expected, reason
):
    """They bear the name of the whole video, which is known by how long they last."""
    write_video("videos/x.avi", num_frames)
    write_video("videos/other.avi", 25)
    build(kinetics_rows(f"x,{start},{end}", "other,0,1"))
    name = f"x_{start:06d}_{end:06d}"
    assert reason in manifest(tmp_path / "out")[name]["reason"]
    assert bool(reason) == bool(manifest(tmp_path / "out")[name]["reason"])
    found = levels(tmp_path / "out")[0].get(name)
    assert found == (None if expected is None else [index % 64 for index in expected])


def test_a_users_own_times_are_obeyed(tmp_path, write_video, build, manifest):
    write_video("videos/x.avi", 50)
    (tmp_path / "c.csv").write_text("video,label,time_start,time_end\nx.avi,a,1,3\n")
    rows, _ = annotations.read_custom(tmp_path / "c.csv")
    build(rows)
    assert manifest(tmp_path / "out")["x_1_3"]["reason"] == "1.00 s of the 2.00 s that the annotation promises"


def test_links(tmp_path, write_video, kinetics_rows, build, manifest):
    """They lead to files and folders; in a circle, or nowhere, they are not there."""
    write_video("elsewhere/deep/y_000001_000002.avi", 25)
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "x_000001_000002.avi").symlink_to(write_video("elsewhere/file.avi", 25))
    (videos / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/up").symlink_to(videos)
    (videos / "z_000001_000002.avi").symlink_to(tmp_path / "nowhere.avi")
    (videos / "itself.avi").symlink_to(videos / "itself.avi")
    (videos / "._x_000001_000002.mp4").write_bytes(b"Mac OS X")
    (videos / "u_000001_000002.mp4").mkdir()
    build(kinetics_rows("x,1,2", "y,1,2", "z,1,2", "itself,1,2", "u,1,2"))
    found = {name.partition("_")[0]: row for name, row in manifest(tmp_path / "out").items()}
    assert [found[name]["status"] for name in ("x", "y", "z", "itself", "u")] == ["written"] * 2 + ["missing"] * 3
    assert found["x"]["data_path"] == "x_000001_000002.avi"
    assert found["y"]["data_path"] == "folder/deep/y_000001_000002.avi"
    assert found["x"]["reason"] == found["y"]["reason"] == ""


def test_folders_of_pictures(tmp_path, write_video, write_frame_folder, build, manifest, capsys):
    write_frame_folder("videos/one", 24)
    write_frame_folder("videos/a/two", 12, "img_{}.png", first=95)
    (write_frame_folder("videos/a/three", 12) / "00004.jpg").write_bytes(b"\xff\xd8 no picture")
    write_video("videos/four.avi", 25)
    (tmp_path / "c.csv").write_text("video,label\none,a\na/two/,a\na/three,a\nfour.avi,a\na,a\n")
    rows, _ = annotations.read_custom(tmp_path / "c.csv")
    with pytest.raises(
        UserError, match=r"videos/one is a folder of numbered pictures; `frame_folder_rate` says .* 12 for"
    ):
        build(rows)
    assert not (tmp_path / "out").exists()
    counts = build(rows, frame_folder_rate=12.5)
    assert counts == dict.fromkeys(conversion.STATUSES, 0) | {"written": 3, "truncated": 1, "missing": 1}
    found, paths = levels(tmp_path / "out")
    assert found["one"] == [index // 2 for index in range(48)]
    assert found["a/two"] == [index // 2 for index in range(24)]
    assert found["a/three"] == [0, 0, 1, 1, 2, 2, 2, 2, *(index // 2 for index in range(8, 24))]
    assert paths["a/two"] == "a/two"
    row = manifest(tmp_path / "out")["a/three"]
    assert (row["status"], row["codec"]) == ("truncated", "mjpeg")
    assert row["reason"] == "passed over 1 of 12 pictures that are damaged, the first 00004.jpg"
    assert manifest(tmp_path / "out")["a/two"]["codec"] == "png"
    sharding.print_counts(counts, tmp_path / "out", "train")
    assert "5 rows: 3 written, 1 truncated, 1 missing, 0 unreadable, 0 too short\n" in capsys.readouterr().out
    write_frame_folder("videos/a/one", 2)
    build(rows, frame_folder_rate=12.5)  # another folder of that name is none of theirs
    assert "already complete" in capsys.readouterr().out
    (tmp_path / "videos/one/00025.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="of another build"):
        build(rows, frame_folder_rate=12.5)


def test_a_folder_of_pictures_by_its_stem(tmp_path, write_frame_folder, kinetics_rows, build, manifest):
    write_frame_folder("videos/a/x_000001_000002", 10)
    write_frame_folder("videos/y", 30)
    assert build(kinetics_rows("x,1,2", "y,1,2"), frame_folder_rate=10.0)["written"] == 2
    found = manifest(tmp_path / "out")
    assert [found[f"{name}_000001_000002"]["data_path"] for name in "xy"] == ["a/x_000001_000002", "y"]
    (tmp_path / "classInd.txt").write_text("1 a\n")
    (tmp_path / "list.txt").write_text("a/y.avi 1\n")
    rows, _ = annotations.read_ucf101(tmp_path / "classInd.txt", tmp_path / "list.txt")
    assert build(rows, "ucf101", frame_folder_rate=10.0)["written"] == 1
    assert manifest(tmp_path / "ucf101")["y"]["num_frames"] == "75"
