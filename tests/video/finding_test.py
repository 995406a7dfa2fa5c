import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tsd_tf.video import finding


@pytest.fixture
def make(tmp_path):
    """Makes empty files; returns the folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_files_and_frame_folders(make):
    folder = make(
        *(
            "b.mp4",
            "A.MP4",
            "notes.txt",
            "._b.mp4",
            "z/c.webm",
            "a/d.3gp",
            "x.mp4/e.avi",
            "clip/00001.jpg",
            "clip/00002.jpg",
        ),
        *(
            "a/deep/img_1.png",
            "a/deep/img_2.png",
            "a/deep/readme",
            "photos/1.jpg",
            "photos/2.jpg",
            "IMG_1234.jpg",
            "thumbs/1.jpg",
            ".Trash-1000/files/f.mp4",
            "@eaDir/v.mp4/1.jpg",
            "@eaDir/v.mp4/2.jpg",
            "photos/party.mov",
            "flow/flow_x_001.jpg",
            "flow/flow_x_002.jpg",
            "no/cover.jpg",
        ),
    )
    assert finding.find_videos(folder) == (
        ["A.MP4", "b.mp4", "a/d.3gp", "photos/party.mov", "x.mp4/e.avi", "z/c.webm"],
        ["a/deep", "clip"],
    )
    assert finding.find_videos(folder / "clip") == ([], ["."])


def test_links_in_circles_end(make):
    folder = make("a/v.mp4", "b/w.mp4")
    (folder / "a/b").symlink_to(folder / "b")
    (folder / "b/a").symlink_to(folder / "a")
    (folder / "a/up").symlink_to(folder)
    (folder / "gone.mp4").symlink_to(folder / "nowhere")
    (folder / "x.mp4").symlink_to(folder / "x.mp4")
    os.mkfifo(folder / "pipe.mp4")
    assert finding.find_videos(folder)[0] == ["a/v.mp4", "a/b/w.mp4", "b/w.mp4", "b/a/v.mp4"]


@pytest.mark.parametrize(
    ("names", "pictures"),
    [
        (["10.jpg", "9.jpg", "00011.jpg", "x.txt"], ["9.jpg", "10.jpg", "00011.jpg"]),
        (["frame000002.png", "frame000001.png"], ["frame000001.png", "frame000002.png"]),
        (["image_00007.webp", "image_00012.WEBP"], ["image_00007.webp", "image_00012.WEBP"]),
        (["v_x-1.JPG", "v_x-2.jpg", "cover.jpg", "thumb1.jpg"], ["v_x-1.JPG", "v_x-2.jpg"]),
        (["img_1.jpg", "img_2.jpg", "flow_x_1.jpg", "flow_x_2.jpg", "flow_x_3.jpg"], ["img_1.jpg", "img_2.jpg"]),
        (["1.jpg", "2.jpg", "1.png"], ["1.jpg", "2.jpg"]),
        (["._1.jpg", "1.jpg", "2.jpg"], ["1.jpg", "2.jpg"]),
        (["1.jpg", "2.jpg", "v.mp4"], []),
        (["1.jpg"], []),
        (["1.jpg", "2.jpg", "cover.webp"], ["1.jpg", "2.jpg"]),
        (["1.txt", "a.jpg"], []),
    ],
)
def test_pictures_by_their_numbers(make, names, pictures):
    assert finding.numbered_pictures(make(*names)) == pictures


def test_numbered_animations_are_videos(tmp_path):
    animation = cv2.Animation()
    animation.frames = [np.full((8, 8, 3), 50 * i, np.uint8) for i in range(3)]
    animation.durations = np.array([40, 40, 40])
    assert cv2.imwriteanimation(str(tmp_path / "1.webp"), animation)
    assert cv2.imwrite(str(tmp_path / "cover.webp"), animation.frames[0])
    assert finding.find_videos(tmp_path) == (["1.webp"], [])
    (tmp_path / "1.webp").rename(tmp_path / "film.webp")
    assert finding.find_videos(tmp_path) == (["film.webp"], [])


def test_it_needs_no_library():
    script = "import sys; from tsd_tf.video import finding; print({'av', 'cv2', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"
