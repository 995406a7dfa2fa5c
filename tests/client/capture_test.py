import os

import cv2
import numpy as np
import pytest

from tsd_tf.client import capture
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.isolated_decoder import IsolatedDecoder
from tsd_tf.video.video import Video


@pytest.fixture(scope="module")
def decoder():
    decoder = IsolatedDecoder()
    yield decoder
    decoder.close()


def _model(frame_size):
    return signatures.ClientModel(1, "i3d_e", 8, 2, frame_size, frame_size, 25.0, 2, None, (), ())


def _write(path, rate, count, size=(64, 48)):
    """A video whose frame i is grey of level 8 i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, size)
    for index in range(count):
        writer.write(np.full((size[1], size[0], 3), 8 * index, "uint8"))
    writer.release()


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(25, list(range(20))), (12.5, [index // 2 for index in range(40)]), (50, list(range(0, 20, 2)))],
)
def test_frames_on_display_at_25_a_second(tmp_path, decoder, rate, expected):
    _write(tmp_path / "video.avi", rate, 20)
    frames = list(capture.video_frames(tmp_path / "video.avi", _model(32), decoder))
    assert frames[0].shape == (32, 32, 3)
    assert [round(float(frame.mean()) / 8) for frame in frames] == expected


def test_the_same_frames_as_the_shards(sample_videos, decoder):
    """What the client captures is what the shard builder reads, pixel for pixel."""
    path = sorted((sample_videos / "test").rglob("*.mp4"))[0]
    theirs = np.stack(list(Video(path).frames(frame_rate=25.0, short_side=64)))
    ours = np.stack(list(capture.video_frames(path, _model(64), decoder)))
    left = (theirs.shape[2] - 64) // 2
    np.testing.assert_array_equal(ours, theirs[:, :, left : left + 64])


def test_a_stream(tmp_path, decoder):
    """A file stands for the stream: FFmpeg reads both by their addresses."""
    _write(tmp_path / "video.avi", 25, 20)
    frames = list(capture.live_frames(f"file:{tmp_path / 'video.avi'}", _model(32), decoder, 10.0))
    assert [round(float(frame.mean()) / 8) for frame in frames] == list(range(20))


def test_what_is_no_video(tmp_path, decoder):
    with pytest.raises(UnreadableVideoError, match=r"missing.mp4: no such file"):
        list(capture.video_frames(tmp_path / "missing.mp4", _model(32), decoder))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnreadableVideoError, match=r"text.mp4: no video stream that FFmpeg can decode"):
        list(capture.video_frames(tmp_path / "text.mp4", _model(32), decoder))
    with pytest.raises(UnreadableVideoError, match="no camera 99"):
        list(capture.live_frames(99, _model(32), decoder, 10.0))
    with pytest.raises(UnreadableVideoError, match=r"no video stream that FFmpeg can decode: Connection refused"):
        list(capture.live_frames("http://127.0.0.1:9/x", _model(32), decoder, 10.0))


@pytest.mark.parametrize("name", [b"caf\xe9.avi", b"two\nlines.avi", b"caf\xe9.webp"])
def test_names_of_any_bytes(tmp_path, decoder, name):
    path = tmp_path / os.fsdecode(name)
    if name.endswith(b".avi"):
        _write(tmp_path / "video.avi", 25, 20)
        (tmp_path / "video.avi").rename(path)
    else:
        animation = cv2.Animation()
        animation.frames = [np.full((48, 64, 4), 8 * index, "uint8") for index in range(20)]
        animation.durations = [40] * 20
        cv2.imwriteanimation(str(tmp_path / "video.webp"), animation)
        (tmp_path / "video.webp").rename(path)
    assert len(list(capture.video_frames(path, _model(32), decoder))) == 20
    path.write_text("no video")
    with pytest.raises(UnreadableVideoError, match=r"video stream that FFmpeg can decode|no frame of it"):
        list(capture.video_frames(path, _model(32), decoder))
