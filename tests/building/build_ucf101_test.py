import csv

import pytest

from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels


@pytest.fixture
def arguments(tmp_path, write_video):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_bytes(b"1 Archery\r\n2 Biking\r\n")
    for name in ("Archery", "Biking"):
        for group in (1, 2, 3):
            write_video(f"UCF-101/{name}/v_{name}_g0{group}_c01.avi", 20 + group)
    for split in (1, 2):
        (lists / f"trainlist0{split}.txt").write_bytes(
            b"".join(
                f"{name}/v_{name}_g0{group}_c01.avi {number}\r\n".encode()
                for name, number in (("Archery", 1), ("Biking", 2))
                for group in (1, 2, 3)
                if group != split
            )
        )
        (lists / f"testlist0{split}.txt").write_bytes(
            f"Archery/v_Archery_g0{split}_c01.avi\r\nBiking/v_Biking_g0{split}_c01.avi\r\n".encode()
        )
    return [
        f"--videos_dir={tmp_path}/UCF-101",
        f"--lists_dir={lists}",
        f"--output_dir={tmp_path}/ucf101",
        "--short_side=24",
        "--num_shards=2",
        "--processes=1",
    ]


def test_two_splits(arguments, tmp_path, run_program):
    done = run_program("tfrecords.build_ucf101", *arguments, "--split=1", "--split=2")
    assert done.returncode == 0, done.stderr
    for split in (1, 2):
        folder = tmp_path / f"ucf101/split{split}"
        assert read_labels(folder) == ["Archery", "Biking"]
        for part, groups in (("train", {1, 2, 3} - {split}), ("test", {split})):
            shards = find_shards(folder, part)
            assert Records(shards).total == 2 * len(groups)
            with open(folder / f"manifest-{part}.csv", newline="") as file:
                rows = {
                    row["media_id"]: (row["label"], row["status"], row["num_frames"]) for row in csv.DictReader(file)
                }
            assert rows == {
                f"v_{name}_g0{group}_c01": (label, "written", str(20 + group))
                for name, label in (("Archery", "0"), ("Biking", "1"))
                for group in groups
            }


def test_lists_that_are_not_there(arguments, tmp_path, run_program):
    done = run_program("tfrecords.build_ucf101", *arguments, "--split=3")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot read the list {tmp_path}/lists/trainlist03.txt")
    assert not (tmp_path / "ucf101").exists()


def test_real_video(test_data, tmp_path, run_program):
    """The real lists, of which one video is there."""
    name = "v_ApplyEyeMakeup_g01_c01.avi"
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / name).symlink_to(test_data / "videos/test.avi")
    (tmp_path / "v/v_ApplyEyeMakeup_g08_c01.avi").symlink_to(test_data / "videos/test.avi")
    arguments = [f"--videos_dir={tmp_path}/v", f"--lists_dir={test_data}/annotations/ucf101", "--split=1"]
    done = run_program("tfrecords.build_ucf101", *arguments, f"--output_dir={tmp_path}/ucf101", "--processes=1")
    assert done.returncode == 0, done.stderr
    assert "9537 rows: 1 written, 0 truncated, 9536 missing" in done.stdout
    assert "3783 rows: 1 written, 0 truncated, 3782 missing" in done.stdout
    for split in ("train", "test"):
        assert len(find_shards(tmp_path / "ucf101/split1", split)) == 1
