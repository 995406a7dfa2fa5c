import av
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.video.video import Video
from tsd_tf.video.video_writing import write_video


def gradients(num_frames=30, height=48, width=64):
    """Smooth colours that move."""
    time, y, x = np.mgrid[:num_frames, :height, :width]
    return np.stack([4 * (x + time) % 256, 5 * y % 256, 255 - 2 * (x + y)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "h264"), ("v.mkv", "h264"), ("v.avi", "mpeg4")])
def test_what_is_written_is_read(tmp_path, name, codec):
    frames = np.repeat(np.repeat(gradients(height=24, width=32), 2, axis=1), 2, axis=2)
    write_video(tmp_path / name, frames, 25.0)
    read = list(Video(tmp_path / name).frames(frame_rate=25.0, short_side=48))
    assert len(read) == 30
    assert np.abs(np.stack(read).astype(int) - frames).mean() < 4
    with av.open(str(tmp_path / name)) as file:
        assert file.streams.video[0].codec_context.name == codec
        assert file.streams.video[0].average_rate == 25


@pytest.mark.parametrize("rate", [10.0, 29.97, 60.0])
def test_frame_rates(tmp_path, rate):
    write_video(tmp_path / "v.mp4", gradients(), rate)
    with av.open(str(tmp_path / "v.mp4")) as file:
        assert float(file.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-4)
        assert file.streams.video[0].frames == 30


def test_equal_frames_are_equal_bytes(tmp_path):
    for name in ("one.mp4", "two.mp4"):
        write_video(tmp_path / name, gradients(), 25.0)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "frames", "reason"),
    [
        ("absent/v.mp4", gradients(), "No such file or directory"),
        ("v.nothing", gradients(), "Could not determine output format"),
        ("v.mp4", gradients(height=47), "FFmpeg cannot write frames of shape"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, frames, reason):
    with pytest.raises(UserError, match=reason):
        write_video(tmp_path / name, frames, 25.0)
