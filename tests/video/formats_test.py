"""Pictures of every kind come back as they went in, at a player's times, whatever the codec and the container."""

import os
import pathlib
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.frame_filter import FrameFilter
from tsd_tf.video.video import Video

HEIGHT, WIDTH = 64, 96
COLOURS = [(200, 40, 40), (40, 180, 60), (50, 60, 190), (210, 200, 60), (128, 128, 128), (235, 235, 235)]


def picture(index=0):
    """Six patches of colour, and a bright one below that moves with the index."""
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i, colour in enumerate(COLOURS):
        frame[:32, 16 * i : 16 * i + 16] = colour
    frame[48:, 16 * (index % 6) : 16 * (index % 6) + 16] = 220
    return frame


def moved(frame):
    """The index of the bright patch below."""
    return int(frame[56, 8::16].mean(-1).argmax())


def encode(path, codec, pixels="yuv420p", num_frames=6, rate=25, **settings):
    """Encodes with FFmpeg; returns the path. `settings`: of the codec's context, and `options`, `matrix`, `full`."""
    matrix, full = settings.pop("matrix", None), settings.pop("full", False)
    options, container_options = settings.pop("options", {}), settings.pop("container_options", {})
    file_format = settings.pop("format", None)
    times = settings.pop("times", range(num_frames))
    with av.open(str(path), "w", format=file_format, options=container_options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, pixels, options
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        if matrix:
            stream.codec_context.colorspace = int(Colorspace[matrix])
        if full:
            stream.codec_context.color_range = 2
        for index, time in zip(range(num_frames), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            if not pixels.startswith(("rgb", "bgr", "gbr", "pal")):
                frame = frame.reformat(
                    format=pixels, dst_colorspace=matrix or "ITU601", dst_color_range="JPEG" if full else "MPEG"
                )
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path, **options):
    return list(Video(path).frames(**({"frame_rate": 25.0, "short_side": HEIGHT} | options)))


def assert_same_colours(frame, within=4):
    for i, colour in enumerate(COLOURS):
        found = frame[8:24, 16 * i + 5 : 16 * i + 11].reshape(-1, 3).mean(0)
        np.testing.assert_allclose(found, colour, atol=within)


LOSSLESS = {"options": {"qp": "0"}}
FINE = {"options": {"crf": "4", "preset": "ultrafast"}}
FORMATS = {
    "h264.mp4": ("libx264", "yuv420p", FINE),
    "h264_444.mp4": ("libx264", "yuv444p", FINE),
    "h264_10.mkv": ("libx264", "yuv420p10le", FINE),
    "h264_422.mov": ("libx264", "yuv422p", FINE),
    "h264_rgb.mkv": ("libx264rgb", "rgb24", LOSSLESS),
    "h264.ts": ("libx264", "yuv420p", FINE),
    "h264.flv": ("libx264", "yuv420p", FINE),
    "h264.h264": ("libx264", "yuv420p", FINE),
    "bt709.mp4": ("libx264", "yuv420p", FINE | {"matrix": "ITU709"}),
    "full.mp4": ("libx264", "yuv420p", FINE | {"full": True}),
    "full_709.mp4": ("libx264", "yuv420p", FINE | {"full": True, "matrix": "ITU709"}),
    "hevc.mp4": ("libx265", "yuv420p", {"options": {"crf": "4", "preset": "ultrafast", "x265-params": "log-level=0"}}),
    "hevc_10.mkv": (
        "libx265",
        "yuv420p10le",
        {"options": {"crf": "4", "preset": "ultrafast", "x265-params": "log-level=0"}},
    ),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"options": {"crf": "4", "b": "0", "cpu-used": "8"}}),
    "vp8.webm": ("libvpx", "yuv420p", {"options": {"b": "4000000"}}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"options": {"qscale": "2", "flags": "+qscale", "global_quality": "236"}}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {"options": {"flags": "+qscale", "global_quality": "236"}}),
    "mpeg1.mpg": ("mpeg1video", "yuv420p", {"options": {"flags": "+qscale", "global_quality": "236"}}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {"full": True, "options": {"flags": "+qscale", "global_quality": "236"}}),
    "mjpeg_422.mov": ("mjpeg", "yuvj422p", {"full": True, "options": {"flags": "+qscale", "global_quality": "236"}}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "prores_alpha.mov": ("prores_ks", "yuva444p10le", {}),
    "wmv.wmv": ("wmv2", "yuv420p", {"options": {"flags": "+qscale", "global_quality": "236"}}),
    "ffv1_alpha.mkv": ("ffv1", "yuva420p", {}),
    "png.mov": ("png", "rgb24", {}),
    "animation.apng": ("apng", "rgb24", {}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_colours_and_times(tmp_path, name):
    codec, pixels, settings = FORMATS[name]
    frames = read(encode(tmp_path / name, codec, pixels, **settings))
    assert [moved(frame) for frame in frames] == list(range(6))
    for frame in frames:
        assert_same_colours(frame)


def test_av1():
    """A file that `encode` made with libsvtav1, crf 5 and preset 8; as root, that encoder is not for a test to call."""
    frames = read(pathlib.Path(__file__).with_name("six_pictures_av1.mp4"))
    assert [moved(frame) for frame in frames] == list(range(6))
    assert_same_colours(frames[0])


def test_grey(tmp_path):
    frames = read(encode(tmp_path / "grey.mkv", "ffv1", "gray"))
    assert (frames[0][..., 0] == frames[0][..., 1]).all()
    luma = np.dot(COLOURS, (0.299, 0.587, 0.114))
    np.testing.assert_allclose(frames[0][16, 8::16, 0], luma, atol=3)


def test_gif_and_the_duration_of_its_last_picture(tmp_path):
    path = encode(tmp_path / "moving.gif", "gif", "rgb8", num_frames=3, rate=10)
    assert [moved(frame) for frame in read(path, frame_rate=10.0)] == [0, 1, 2]


@pytest.mark.parametrize("lossless", [True, False])
def test_animated_webp(tmp_path, lossless):
    options = {"lossless": "1"} if lossless else {"quality": "95"}
    path = encode(tmp_path / "moving.webp", "libwebp_anim", "bgra" if lossless else "yuv420p", options=options)
    frames = read(path)
    assert [moved(frame) for frame in frames] == list(range(6))
    assert_same_colours(frames[3], within=0 if lossless else 8)


def test_an_animated_webp_whose_name_is_not_utf_8(tmp_path):
    path = encode(tmp_path / "moving.webp", "libwebp_anim", "yuv420p")
    expected = read(path)
    np.testing.assert_array_equal(read(path.rename(tmp_path / os.fsdecode(b"caf\xe9.webp"))), expected)


def test_a_webp_that_needs_too_much_memory(tmp_path):
    content = bytearray(
        encode(tmp_path / "moving.webp", "libwebp_anim", "bgra", options={"lossless": "1"}).read_bytes()
    )
    content[24:30] = struct.pack("<I", 16000)[:3] * 2
    (tmp_path / "moving.webp").write_bytes(content)
    with pytest.raises(UnreadableVideoError, match="too large"):
        read(tmp_path / "moving.webp")


@pytest.mark.parametrize(("codec", "name"), [("libx264", "i.mp4"), ("mpeg2video", "i.ts"), ("mpeg2video", "i.mpg")])
def test_interlaced(tmp_path, codec, name):
    """Two fields of different moments, woven together: each picture comes back without comb lines."""
    options = {"flags": "+ildct+ilme"} | ({"x264-params": "tff=1", "crf": "4"} if codec == "libx264" else {})
    path = tmp_path / name
    mark = FrameFilter(("setfield", "mode=tff"))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, "yuv420p", options
        stream.bit_rate = 8_000_000
        for index in range(8):
            woven = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            woven[::2, : 8 + 8 * index] = 220  # the bar grows by 4 pixels from field to field
            woven[1::2, : 12 + 8 * index] = 220
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(*mark.push(frame)))
        container.mux(stream.encode())
    frames = read(path)
    assert len(frames) == 8
    for index, frame in enumerate(frames):
        bright = (frame[..., 1] > 110).sum(axis=1)[4:-4]
        assert np.ptp(bright) <= 2
        assert abs(bright.mean() - (8 + 8 * index)) <= 4


MATRICES = {  # ISO 14496-12: a, b, c, d, and what a player shows of the picture
    "quarter turn": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    "half turn": ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
    "three quarters": ((0, -1, 1, 0), lambda frame: np.rot90(frame, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda frame: frame[::-1]),
    "mirrored quarter turn": ((0, 1, 1, 0), lambda frame: frame.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_upright(tmp_path, rotate_by_header, name):
    path = encode(tmp_path / "phone.mp4", "libx264", "yuv444p", options={"qp": "0"})
    stored = read(path)[2]
    matrix, shown = MATRICES[name]
    rotate_by_header(path, matrix)
    np.testing.assert_array_equal(read(path)[2], shown(stored))


def test_square_pixels_on_demand(tmp_path):
    path = encode(tmp_path / "wide.mp4", "libx264", sample_aspect_ratio=Fraction(4, 3))
    assert read(path)[0].shape == (64, 96, 3)
    assert next(iter(Video(path, square_pixels=True).frames(frame_rate=25, short_side=64))).shape == (64, 128, 3)


def test_square_pixels_of_a_turned_video(tmp_path, rotate_by_header):
    path = encode(tmp_path / "wide.mp4", "libx264", sample_aspect_ratio=Fraction(4, 3))
    rotate_by_header(path)
    assert next(iter(Video(path, square_pixels=True).frames(frame_rate=25, short_side=64))).shape == (128, 64, 3)


def test_pauses_stay_and_what_is_shown_before_an_interval_counts(tmp_path):
    path = encode(tmp_path / "pause.mkv", "ffv1", times=[0, 1, 2, 1000, 1001, 1002])
    assert len(read(path)) == 1003
    found = [moved(frame) for frame in read(path, time_start=20.0, time_end=40.08)]
    assert found == [2] * 500 + [3, 4]


def test_sound_that_starts_first(tmp_path):
    """A player counts from the sound's start; the first picture is also shown before its time."""
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=8000)
        video.width, video.height, video.pix_fmt, video.options = WIDTH, HEIGHT, "yuv420p", {"crf": "4"}
        for block in range(16):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, 1024 * block, Fraction(1, 8000)
            container.mux(sound.encode(frame))
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = 25 + index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        container.mux(sound.encode())
    video = Video(path)
    frames = list(video.frames(frame_rate=25.0, short_side=HEIGHT))
    assert [moved(frame) for frame in frames] == [0] * 25 + list(range(6))
    assert video.header_duration == pytest.approx(1.24)


def test_an_edit_list(tmp_path):
    """As copy-cutting leaves it: the pictures before the cut are in the file, and no player shows them."""
    whole = encode(tmp_path / "whole.mp4", "libx264", num_frames=50, options={"crf": "4", "g": "50"})
    path = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                shift = round(0.8 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                target.mux(packet)
    video = Video(path)
    assert [moved(frame) for frame in video.frames(frame_rate=25.0, short_side=HEIGHT)] == [
        i % 6 for i in range(20, 50)
    ]
    assert video.header_duration == pytest.approx(video.duration) == pytest.approx(1.2)


def test_the_default_stream_of_two_and_no_cover(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec in ("mjpeg", "ffv1", "ffv1")]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = (
                WIDTH,
                HEIGHT,
                "yuvj420p" if stream is streams[0] else "yuv420p",
            )
        streams[0].disposition = av.stream.Disposition.attached_pic
        streams[1].disposition = av.stream.Disposition(0)
        streams[2].disposition = av.stream.Disposition.default
        for index in range(6):
            for stream, level in zip(streams, (255, 100, 200), strict=True):
                if index and stream is streams[0]:
                    continue
                frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), level, np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    np.testing.assert_allclose(np.stack(read(path)), 200, atol=2)


def test_size_and_pixel_format_that_change(tmp_path):
    """Two elementary streams behind each other, as receivers of television write them: all pictures, at one size."""
    parts = []
    for size, level in (((64, 96), 80), ((128, 192), 160), ((48, 72), 240)):
        path = tmp_path / f"{level}.ts"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.options = {"tune": "zerolatency", "crf": "4"}
            stream.height, stream.width = size
            stream.pix_fmt = "yuv422p" if level == 160 else "yuv420p"
            for _ in range(4):
                flat = np.full((*size, 3), level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(flat, format="rgb24")))
            container.mux(stream.encode())
        parts.append(path.read_bytes())
    (tmp_path / "all.ts").write_bytes(b"".join(parts))
    frames = read(tmp_path / "all.ts")
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    found = [round(float(frame.mean()) / 80) for frame in frames]
    assert found == [1] * 4 + [2] * 4 + [3] * 4


def test_a_codec_that_is_missing_is_named(tmp_path):
    path = encode(tmp_path / "v.mp4", "libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"xyz1"))
    with pytest.raises(UnreadableVideoError, match=r"no decoder for its codec, .*xyz1"):
        read(path)


def test_pictures_that_are_too_large(tmp_path):
    path = encode(tmp_path / "v.avi", "rawvideo", "bgr24", num_frames=2)
    content = bytearray(path.read_bytes())
    header = content.index(b"strf") + 8
    content[header + 4 : header + 12] = struct.pack("<2i", 9000, 9000)
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match="9000 x 9000 pixels: too large"):
        read(path)


def test_a_playlist_does_not_lead_elsewhere(tmp_path):
    """A file that is a list of addresses is no video: whoever sends it must not choose what is fetched."""
    encode(tmp_path / "secret.ts", "libx264")
    for name, text in (
        ("list.mp4", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"),
        ("concat.mp4", "ffconcat version 1.0\nfile secret.ts\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UnreadableVideoError):
            read(tmp_path / name)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = encode(tmp_path / "v.mp4", "libx264")

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tsd_tf.video.finding.is_animated_webp", refuse)
    with pytest.raises(UnreadableVideoError, match="the file cannot be read: Permission denied"):
        read(path)


@pytest.mark.parametrize(
    "name", ["a: colon.mp4", "http:x.mp4", "%03d.mp4", " leading and trailing .mp4", "caf\udce9.mp4"]
)
def test_names(tmp_path, name):
    path = encode(tmp_path / "v.mp4", "libx264")
    path.rename(tmp_path / name)
    assert len(read(tmp_path / name)) == 6
