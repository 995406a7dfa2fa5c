import struct
import zlib

import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.frame_folder import FrameFolder
from tsd_tf.video.opening import open_video
from tsd_tf.video.video import Video

EXIF_TURNED = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures, the i-th all grey of level 4 i."""
    for i in range(20):
        cv2.imwrite(str(tmp_path / f"{i + 1}.jpg"), np.full((48, 64, 3), 4 * i, np.uint8))
    return tmp_path


def read(folder, rate=12.5, **options):
    return list(FrameFolder(folder, rate).frames(**({"frame_rate": 25, "short_side": 48} | options)))


def test_pictures_at_their_rate(folder, index_of):
    frames = read(folder)
    assert frames[0].shape == (48, 64, 3)
    assert index_of(frames).tolist() == [index // 2 for index in range(40)]
    assert index_of(read(folder, 50.0)).tolist() == list(range(0, 20, 2))
    assert index_of(read(folder, 25.0, time_start=0.2, time_end=0.4)).tolist() == list(range(5, 10))
    assert read(folder, time_start=1.6, time_end=4.0) == []
    (folder / "10.jpg").unlink()  # a gap takes no time
    assert index_of(read(folder, 25.0)).tolist() == [*range(9), *range(10, 20)]


def test_the_same_interface_as_a_video_s(folder, write_video, tmp_path):
    video = open_video(write_video("elsewhere/v.mp4", 40))
    assert isinstance(video, Video)
    frames = open_video(folder, frame_folder_rate=12.5)
    assert isinstance(frames, FrameFolder)
    assert (frames.codec, frames.header_duration, frames.duration) == ("mjpeg", 1.6, 0.0)
    assert len(list(frames.frames(frame_rate=25, short_side=48))) == 40
    assert (frames.duration, frames.damage, video.damage) == (1.6, "", "")
    with pytest.raises(UnreadableVideoError, match=r"a folder, not a video file; `frame_folder_rate` says .* 12 for"):
        open_video(folder)
    with pytest.raises(UnreadableVideoError, match=r"no folder of numbered pictures"):
        open_video(tmp_path / "elsewhere", frame_folder_rate=12.5)


def test_damaged_pictures_are_passed_over(folder, index_of):
    whole = (folder / "5.jpg").read_bytes()
    for number, contents in ((3, b""), (5, whole[:-30]), (6, whole[:100]), (7, b"GIF89a"), (20, b"\xff\xd8\xff")):
        (folder / f"{number}.jpg").write_bytes(contents)
    frames = FrameFolder(folder, 25.0)
    found = index_of(list(frames.frames(frame_rate=25, short_side=48))).tolist()
    assert found == [0, 1, 1, 3, 3, 3, 3, *range(7, 19)]
    assert frames.damage == "passed over 5 of 20 pictures that are damaged, the first 3.jpg"
    assert (frames.duration, frames.header_duration) == (0.76, 0.8)
    frames = FrameFolder(folder, 25.0)
    list(frames.frames(frame_rate=25, short_side=48, time_start=0.4, time_end=0.6))
    assert frames.damage == ""
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(UnreadableVideoError, match="none of its 20 pictures can be decoded"):
        read(folder)


def png(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def jpeg(width, height):
    return b"\xff\xd8\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\0\xff\xda\0\x02\xff\xd9"


def webp(width, height):
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + canvas


def bmp(width, height):
    return b"BM" + bytes(16) + struct.pack("<ii", width, -height) + bytes(30)


@pytest.mark.parametrize(("suffix", "make"), [("png", png), ("jpg", jpeg), ("webp", webp), ("bmp", bmp)])
def test_hostile_sizes_are_refused_before_they_are_decoded(tmp_path, suffix, make):
    for number in (1, 2):
        (tmp_path / f"{number}.{suffix}").write_bytes(make(16000, 16001))
    with pytest.raises(UnreadableVideoError, match="pictures of 16000 x 16001 pixels: too large"):
        read(tmp_path)
    for number in (1, 2):
        (tmp_path / f"{number}.{suffix}").write_bytes(make(16000, 16001)[:19])
    with pytest.raises(UnreadableVideoError, match="none of its 2 pictures can be decoded"):
        read(tmp_path)


def test_a_strip_is_refused(tmp_path):
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((4, 68, 3), np.uint8))
    with pytest.raises(UnreadableVideoError, match="68 x 4 pixels: more than 16 times as long as wide"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "jpg"])
def test_colours_transparency_and_sizes(tmp_path, suffix):
    """RGB, without transparency, and all of the first one's size."""
    first, second = np.zeros((48, 64, 4), np.uint8), np.full((96, 32), 77, np.uint8)
    first[..., 2], first[..., 3] = 255, 100
    cv2.imwrite(str(tmp_path / f"1.{suffix}"), first[..., :3] if suffix in ("jpg", "bmp") else first)
    cv2.imwrite(str(tmp_path / f"2.{suffix}"), second)
    frames = read(tmp_path, 25.0)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    np.testing.assert_allclose(frames[0].mean((0, 1)), [255, 0, 0], atol=2)
    np.testing.assert_allclose(frames[1].mean((0, 1)), [77, 77, 77], atol=2)


def test_upright_as_exif_says(tmp_path):
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:, :32] = 255
    contents = cv2.imencode(".jpg", stored)[1].tobytes()
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(contents[:2] + EXIF_TURNED + contents[2:])
    frame, _ = read(tmp_path, 25.0)
    assert frame.shape == (64, 48, 3)
    assert (frame[:30].mean(), frame[34:].mean()) == (255.0, 0.0)
