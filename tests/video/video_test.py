import contextlib
import gc
import shutil
import struct
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.video import Video


def read(path, **options):
    return list(Video(path).frames(**({"frame_rate": 25, "short_side": 48} | options)))


def test_every_frame_at_its_own_rate(write_video, index_of):
    frames = read(write_video("v.mp4", 40))
    assert frames[0].shape == (48, 64, 3)
    assert frames[0].dtype == np.uint8
    assert index_of(frames).tolist() == list(range(40))


@pytest.mark.parametrize("rate", [10.0, 12.5, 30.0, 50.0])
def test_resampled_by_time(write_video, index_of, rate):
    frames = read(write_video("v.mp4", round(1.2 * rate), frame_rate=rate))
    assert index_of(frames).tolist() == [int(k / 25 * rate + 1e-6) for k in range(30)]


def test_half_open_interval(write_video, index_of):
    path = write_video("v.mp4", 50)
    assert index_of(read(path, time_start=0.4, time_end=0.8)).tolist() == list(range(10, 20))
    assert index_of(read(path, time_start=1.6, time_end=4.0)).tolist() == list(range(40, 50))
    assert read(path, time_start=2.0, time_end=4.0) == []


def test_interval_far_into_a_video(write_video, index_of):
    path = write_video("v.mp4", 125, paint=lambda i: np.full((48, 64, 3), 4 * max(0, i - 70), np.uint8))
    assert index_of(read(path, time_start=3.0, time_end=3.2)).tolist() == [5, 6, 7, 8, 9]


def test_duration(write_video):
    video = Video(write_video("v.mp4", 20, frame_rate=10.0))
    assert video.header_duration == pytest.approx(2.0)
    list(video.frames(frame_rate=25, short_side=48))
    assert video.duration == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize(("size", "expected"), [((48, 64), (30, 40)), ((64, 48), (40, 30)), ((50, 98), (30, 59))])
def test_short_side(write_video, size, expected):
    assert read(write_video("v.mp4", 2, size=size), short_side=30)[0].shape == (*expected, 3)


def test_enlarges_small_pictures(write_video):
    assert read(write_video("v.mp4", 2), short_side=96)[0].shape == (96, 128, 3)


def test_colours_are_rgb(write_video):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    frame = read(write_video("v.mp4", 2, paint=lambda i: red))[0]
    assert frame[..., 0].min() > 200
    assert frame[..., 1:].max() < 60


def test_rotated_phone_video_is_upright(write_video, rotate_by_header):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :16] = 255  # left; on top once turned clockwise
    path = write_video("v.mp4", 5, paint=lambda i: picture)
    rotate_by_header(path)
    frame = read(path)[0]
    assert frame.shape == (64, 48, 3)
    assert frame[:12].min() > 200
    assert frame[20:].max() < 50


def test_variable_frame_rate(write_video, index_of, stretch_tenth_frame):
    """The tenth frame stays on display, and what follows comes late."""
    path = write_video("v.mp4", 20)
    stretch_tenth_frame(path)
    assert index_of(read(path)).tolist() == [*range(9), *[9] * 10, *range(10, 20)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"no video" * 100, "no video stream"), (None, "no such file")],
)
def test_what_is_no_video(tmp_path, content, message):
    if content is not None:
        (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=message):
        read(tmp_path / "v.mp4")


def test_sound_alone(tmp_path):
    samples = np.zeros(8000, np.int16).tobytes()
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16) + struct.pack(
        "<4sI", b"data", len(samples)
    )
    header = struct.pack("<4sI4s", b"RIFF", 4 + len(sound) + len(samples), b"WAVE")
    (tmp_path / "sound.mp4").write_bytes(header + sound + samples)
    with pytest.raises(UnreadableVideoError):
        read(tmp_path / "sound.mp4")


def test_cut_off_while_downloading(write_video, index_of):
    """An AVI without its second half: what is there is read; the header still promises the whole."""
    path = write_video("v.avi", 50, fourcc="MJPG")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    video = Video(path)
    indices = index_of(list(video.frames(frame_rate=25, short_side=48))).tolist()
    assert 10 < len(indices) < 30
    assert indices == list(range(len(indices)))
    assert video.duration < 0.8 * video.header_duration


def test_header_without_pictures(write_video):
    path = write_video("v.mp4", 50)
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match="no frame of it can be decoded"):
        read(path)


@pytest.mark.parametrize("fourcc", ["MJPG", "mp4v"])
def test_random_damage_ends(write_video, fourcc):
    """Whatever bytes are wrong: frames, or an error of ours, and never more frames than time allows."""
    path = write_video("v.mp4", 30, fourcc=fourcc)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(30):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[generator.integers(0, len(damaged), 20)] = generator.integers(0, 256, 20)
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(UnreadableVideoError, cv2.error):
            assert len(read(path, time_end=10.0)) <= 250


@pytest.fixture
def num_held():
    """A function that counts the files and frames that FFmpeg holds, without the collector of cycles."""
    gc.collect()
    gc.disable()
    yield lambda: sum(isinstance(item, (av.container.InputContainer, av.VideoFrame)) for item in gc.get_objects())
    gc.enable()


def test_what_was_read_takes_no_memory(write_video, tmp_path, num_held):
    path = write_video("v.avi", 20)
    video = Video(path)
    assert num_held() == 1
    assert max(num_held() for _ in video.frames(frame_rate=25, short_side=48)) < 6
    assert num_held() == 0
    frames = Video(path).frames(frame_rate=25, short_side=48)
    next(frames)
    frames.close()
    assert num_held() == 0
    content = path.read_bytes()
    path.write_bytes(content.replace(b"MJPG", b"XYZ1"))
    with pytest.raises(UnreadableVideoError, match="no decoder"):
        read(path)
    assert num_held() == 0


_WITH_LITTLE_MEMORY = """
import sys
from tsd_tf.video.limits import limit_memory
from tsd_tf.video.video import Video
limit_memory(int(sys.argv[2]) << 20)
print(len(list(Video(sys.argv[1]).frames(frame_rate=25, short_side=48))))
"""


@pytest.mark.parametrize(("megabytes", "expected"), [(16, "not enough memory for its pictures"), (256, "2")])
def test_too_little_memory(write_video, megabytes, expected):
    path = write_video("v.avi", 2, size=(2160, 3840))
    command = [sys.executable, "-c", _WITH_LITTLE_MEMORY, str(path), str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert expected in (done.stdout or done.stderr).splitlines()[-1]


def test_pictures_that_say_how_they_are_turned(tmp_path):
    """EXIF in the frames of a camera's Motion JPEG; 6: a quarter turn clockwise."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :16] = 255  # left; on top once turned
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    orientation = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, 6, 0)
    exif = b"\xff\xe1" + struct.pack(">H", 2 + len(orientation)) + orientation
    (tmp_path / "v.mjpeg").write_bytes((jpeg[:2] + exif + jpeg[2:]) * 3)
    frames = read(tmp_path / "v.mjpeg")
    assert [frame.shape for frame in frames] == [(64, 48, 3)] * 3
    assert frames[0][:12].min() > 200
    assert frames[0][20:].max() < 50


def test_a_webp_that_ends_in_its_header(tmp_path):
    (tmp_path / "v.webp").write_bytes(b"RIFF\0\0\0\0WEBPVP8X")
    with pytest.raises(UnreadableVideoError):
        read(tmp_path / "v.webp")


def test_extreme_shape(write_video):
    with pytest.raises(UnreadableVideoError, match="16 times"):
        read(write_video("v.avi", 2, size=(16, 320), fourcc="MJPG"))


@pytest.mark.parametrize("name", ["a 'quoted' \"name\" (not %04d).mp4", "größe 動画.mp4", "-dash.mp4"])
def test_names(write_video, tmp_path, name):
    shutil.copy(write_video("v.mp4", 3), tmp_path / name)
    assert len(read(tmp_path / name)) == 3


def test_real_videos(test_data):
    frames = read(test_data / "videos/test.mp4", short_side=256)  # 30 frames a second, 10 s
    assert len(frames) == 250
    assert frames[0].shape == (256, 340, 3)
    frames = read(test_data / "videos/test.avi", short_side=256)  # the first of 164 comes late, the fourth too
    assert len(frames) == 165
    assert frames[0].shape == (256, 341, 3)
    assert [i for i in range(164) if np.array_equal(frames[i], frames[i + 1])] == [0, 2]
