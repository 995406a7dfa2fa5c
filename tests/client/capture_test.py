import cv2
import numpy as np
import pytest

from tsd_tf.client import capture
from tsd_tf.contract.errors import UserError


def _write(path, rate, count, size=(64, 48)):
    """A video whose frame i is grey of level 8 i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, size)
    for index in range(count):
        writer.write(np.full((size[1], size[0], 3), 8 * index, "uint8"))
    writer.release()


def _indices(path, frames_per_second=25.0):
    frames = capture.frames(capture.open_video(path), frames_per_second=frames_per_second, short_side=32, frame_size=32)
    return [round(float(frame.mean()) / 8) for frame in frames]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (25, list(range(20))),
        (12.5, [index // 2 for index in range(40)]),
        (50, list(range(0, 20, 2))),
        (10, [int(k / 2.5) for k in range(50)]),
    ],
)
def test_frames_on_display_at_25_a_second(tmp_path, rate, expected):
    _write(tmp_path / "video.avi", rate, 20)
    assert _indices(tmp_path / "video.avi") == expected


def test_the_same_frames_as_the_shards(sample_videos):
    """What the client captures is what the shard builder reads, pixel for pixel."""
    from tsd_tf.video.video import Video

    path = sorted((sample_videos / "test").rglob("*.mp4"))[0]
    theirs = np.stack(list(Video(path).frames(frame_rate=25.0, short_side=64)))
    ours = np.stack(
        list(capture.frames(capture.open_video(path), frames_per_second=25.0, short_side=64, frame_size=64))
    )
    left = (theirs.shape[2] - 64) // 2
    np.testing.assert_array_equal(ours, theirs[:, :, left : left + 64])


def test_prepare_scales_the_short_side_and_crops_the_centre():
    picture = np.zeros((120, 200, 3), "uint8")
    picture[:, 90:110] = (255, 0, 0)  # blue in BGR
    prepared = capture.prepare(picture, 60, 40)
    assert prepared.shape == (40, 40, 3)
    assert (prepared[:, 16:24] == (0, 0, 255)).all()
    assert (prepared[:, [*range(14), *range(26, 40)]] == 0).all()
    assert capture.prepare(np.zeros((90, 30, 3), "uint8"), 60, 60).shape == (60, 60, 3)


def test_what_is_no_video(tmp_path):
    with pytest.raises(UserError, match="no such video"):
        capture.open_video(tmp_path / "missing.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UserError, match="text.mp4 is not a video that OpenCV can decode"):
        capture.open_video(tmp_path / "text.mp4")
    with pytest.raises(UserError, match="no camera 99"):
        capture.open_camera(99)
