import pytest

from tsd_tf.building.class_folders import read_class_folders
from tsd_tf.contract.errors import UserError


def make(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return folder


def test_one_subfolder_a_class(tmp_path):
    rows, names = read_class_folders(
        make(tmp_path, "wave/2.mp4", "wave/1.avi", "jump high/deep/3.mov", "jump high/a.txt")
    )
    assert names == ["jump high", "wave"]
    assert [(row.path, row.label, row.label_text, row.split) for row in rows] == [
        ("jump high/deep/3.mov", 0, "jump high", None),
        ("wave/1.avi", 1, "wave", None),
        ("wave/2.mp4", 1, "wave", None),
    ]
    assert rows[0].media_id == "jump high/deep/3"


def test_folders_of_splits(tmp_path):
    rows, names = read_class_folders(make(tmp_path, "train/wave/1.mp4", "val/wave/2.mp4", "test/jump/3.mp4"))
    assert names == ["jump", "wave"]
    assert {row.path: row.split for row in rows} == {
        "train/wave/1.mp4": "train",
        "val/wave/2.mp4": "validate",
        "test/jump/3.mp4": "test",
    }


def test_what_is_no_such_folder(tmp_path):
    with pytest.raises(UserError, match="no videos in"):
        read_class_folders(tmp_path)
    with pytest.raises(UserError, match=r"named after its class, got .*/1.mp4"):
        read_class_folders(make(tmp_path, "1.mp4", "wave/2.mp4"))
    (tmp_path / "1.mp4").unlink()
    with pytest.raises(UserError, match="'wave' is not among the 1 classes"):
        read_class_folders(tmp_path, ["jump"])
