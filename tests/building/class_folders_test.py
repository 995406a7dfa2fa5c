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


def test_pictures_without_a_rate_are_left_out(tmp_path):
    notes = []
    folder = make(tmp_path, "wave/v.mp4", "IMG_1234.jpg", "IMG_1235.jpg", "wave/thumbs/1.jpg", "wave/thumbs/2.jpg")
    rows, names = read_class_folders(folder, note=notes.append)
    assert ([row.path for row in rows], names) == (["wave/v.mp4"], ["wave"])
    (line,) = notes
    assert line.startswith(f"left out 2 folders of numbered pictures, the first {tmp_path}; `frame_folder_rate` says")
    with pytest.raises(UserError, match=r"in a subfolder that is named after its class, got .*/IMG_1234\.jpg"):
        read_class_folders(folder, frame_folder_rate=12.0)
    (folder / "IMG_1235.jpg").unlink()
    rows, _ = read_class_folders(folder, frame_folder_rate=12.0)
    assert [row.path for row in rows] == ["wave/thumbs", "wave/v.mp4"]
    (folder / "wave/v.mp4").unlink()
    with pytest.raises(UserError, match=r"wave/thumbs is a folder of numbered pictures; `frame_folder_rate` says"):
        read_class_folders(folder)


def test_every_video_has_a_name_of_its_own(tmp_path):
    folder = make(
        *(tmp_path, "wave/1.mp4", "wave/1.mov", "wave/2.mp4", "wave/3.mp4", "wave/3.mp4.mov"),
        *(f"wave/{clip}/{number}.jpg" for clip in ("clip1.5", "clip1.6") for number in (1, 2)),
    )
    rows, _ = read_class_folders(folder, frame_folder_rate=12.0)
    assert {row.path: row.media_id for row in rows} == {
        "wave/1.mov": "wave/1.mov",
        "wave/1.mp4": "wave/1.mp4",
        "wave/2.mp4": "wave/2",
        "wave/3.mp4": "wave/3",
        "wave/3.mp4.mov": "wave/3.mp4.mov",
        "wave/clip1.5": "wave/clip1.5",
        "wave/clip1.6": "wave/clip1.6",
    }


def test_underscores_for_spaces_and_folders_that_are_no_classes(tmp_path):
    folder = make(tmp_path, "jump_high/1.mp4", "wave/2.mp4", ".Trash-1000/files/3.mp4", "@eaDir/wave/4.mp4")
    rows, names = read_class_folders(folder, ["wave", "jump high"])
    assert names == ["wave", "jump high"]
    assert [(row.path, row.label, row.label_text) for row in rows] == [
        ("jump_high/1.mp4", 1, "jump high"),
        ("wave/2.mp4", 0, "wave"),
    ]
    assert read_class_folders(folder)[1] == ["jump_high", "wave"]
