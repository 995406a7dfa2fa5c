import base64
import contextlib
import dataclasses
import hashlib

import av
import numpy as np
import pytest

from tsd_tf.building.sprite_videos import SpriteVideos
from tsd_tf.contract.errors import MissingEncoderError, UnreadableVideoError, UserError
from tsd_tf.video import clip_coding, codec, priority

_STREAM = [
    "AAAAAWdkAAqs2V6EAAADAAQAAAMAyDxIllgAAAABaOvhssiwAAABZYiEACn/UuQU9/yUlF5auomLgjUGHHP/VemjJRNl3mJyetQ7g/E=",
    "AAAAAUGaIWxCn/6wHCtj/ucZ8IvM2/NqXjfbOPGHRbAOvf72axsyf9EPd63JnD2N8A==",
]
_SHA256 = "cf18770c87ce4781fa7d61c3c06770f345fa686920af22eab7b326d978b30463"


@pytest.fixture(scope="module")
def frames():
    return SpriteVideos().render([0], 0).frames[:10:2]


def psnr(a, b):
    error = np.mean((a.astype("float64") - b) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("name", clip_coding.VIDEO_CODECS)
def test_frames_come_back(frames, name):
    best = clip_coding.decode(clip_coding.encode(frames, name, 2), name, frames.shape[:3])
    assert best.dtype == np.uint8
    assert psnr(best, frames) > 30  # half of the colours' resolution is lost at any quality
    usual = clip_coding.encode(frames, name)
    assert len(usual) >= 1
    jpeg = codec.encode(frames, "jpeg", 90).num_bytes
    assert sum(map(len, usual)) < 0.5 * jpeg
    assert psnr(clip_coding.decode(usual, name, frames.shape[:3]), frames) > 25


@pytest.mark.parametrize("name", clip_coding.VIDEO_CODECS)
@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 33, 47), (2, 48, 31)])
def test_odd_sizes_and_single_frames(frames, name, shape):
    clip = frames[: shape[0], : shape[1], : shape[2]]
    received = clip_coding.decode(clip_coding.encode(clip, name, 4), name, shape)
    assert received.shape == clip.shape
    assert psnr(received, clip) > 28


@pytest.mark.parametrize("name", clip_coding.VIDEO_CODECS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 60)])
def test_one_colour(name, colour):
    clip = np.full((4, 64, 64, 3), colour, np.uint8)
    received = clip_coding.decode(clip_coding.encode(clip, name), name, clip.shape[:3])
    np.testing.assert_allclose(received, clip, atol=3)


@pytest.mark.parametrize("name", clip_coding.VIDEO_CODECS)
def test_as_good_as_ffmpegs_own_way_through_a_file(frames, tmp_path, name):
    """The same encoder with the same options, with FFmpeg's conversions and a container around it."""
    settings = clip_coding.VIDEO_CODECS[name]
    guard = priority.without_real_time if settings.takes_real_time else contextlib.nullcontext
    with guard(), av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream(settings.encoder, rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = settings.options | {
            "crf": str(settings.quality),
            settings.preset_option: settings.preset,
        }
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(tmp_path / "clip.mkv"), "r") as container:
        direct = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    packets = clip_coding.encode(frames, name)
    received = clip_coding.decode(packets, name, frames.shape[:3])
    assert psnr(received, frames) > psnr(direct, frames) - 0.5
    assert sum(map(len, packets)) < (tmp_path / "clip.mkv").stat().st_size - 400  # what a container takes


def test_no_encoder_writes_its_settings_into_the_clip(frames):
    for name in clip_coding.VIDEO_CODECS:
        packets = clip_coding.encode(frames, name)
        assert not any(word in packet for packet in packets for word in (b"x264", b"x265", b"SVT", b"options"))


@pytest.mark.parametrize("name", ["h264", "av1", "vp9"])
def test_equal_clips_give_equal_bytes(frames, name):
    """Whatever lay in the memory before: x264's functions for AVX-512 read what nobody wrote."""
    found = set()
    for count in range(1, 17):
        left_over = [np.full(997 * count * (index + 1), 13 * index, np.uint8) for index in range(count)]
        del left_over
        found.add(b"".join(clip_coding.encode(frames, name)))
    assert len(found) == 1


_WAYS = [("ITU709", "MPEG"), ("ITU709", "JPEG"), ("ITU601", "JPEG"), ("ITU601", "MPEG")]


def _read_as(packets, decoder, matrix, value_range):
    """The frames of a stream as FFmpeg's own conversion shows them, whatever the stream states."""
    context = av.CodecContext.create(decoder, "r")
    decoded = [frame for packet in (*map(av.Packet, packets), None) for frame in context.decode(packet)]
    return np.stack(
        [
            frame.reformat(
                format="rgb24", src_colorspace=matrix, src_color_range=value_range, dst_color_range="JPEG"
            ).to_ndarray()
            for frame in decoded
        ]
    )


@pytest.mark.parametrize("name", ["h264", "av1", "vp9"])
@pytest.mark.parametrize(
    ("matrix", "value_range", "numbers"),
    [("ITU709", "MPEG", (1, 1)), ("ITU709", "JPEG", (1, 2)), ("ITU601", "JPEG", (6, 2)), ("ITU601", "MPEG", (2, 0))],
)
def test_what_a_browser_states_of_its_colours_is_obeyed(frames, name, matrix, value_range, numbers):
    """BT.709 as WebCodecs writes it, full range, and what states nothing."""
    settings = clip_coding.VIDEO_CODECS[name]
    encoder = av.CodecContext.create(settings.encoder, "w")
    encoder.height, encoder.width, encoder.pix_fmt = *frames.shape[1:3], "yuv420p"
    encoder.time_base, encoder.options = clip_coding._TIME_BASE, settings.options | {"crf": "4"}
    encoder.colorspace, encoder.color_range = numbers
    packets = []
    with priority.without_real_time():
        for time, frame in enumerate(frames):
            converted = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=matrix, dst_color_range=value_range
            )
            converted.pts, converted.time_base = time, clip_coding._TIME_BASE
            packets += encoder.encode(converted)
        packets = list(map(bytes, [*packets, *encoder.encode(None)]))
    received = clip_coding.decode(packets, name, frames.shape[:3])
    assert psnr(received, frames) > 29
    # FFmpeg's own conversion, told of each matrix and range, is nearest when told what the stream states.
    distances = [np.abs(received.astype(int) - _read_as(packets, settings.decoder, *way)).mean() for way in _WAYS]
    assert distances[_WAYS.index((matrix, value_range))] == min(distances) < max(distances) - 1


def test_the_same_frames_on_every_machine():
    """Two frames of H.264, 16 x 16, and what they have to become, bit by bit."""
    packets = [base64.b64decode(packet) for packet in _STREAM]
    received = clip_coding.decode(packets, "h264", (2, 16, 16))
    assert hashlib.sha256(received.tobytes()).hexdigest() == _SHA256


def test_columns_in_time_order():
    matrix = np.zeros((6, 3))
    matrix[4, 0] = matrix[0, 1] = matrix[2, 2] = 1
    assert clip_coding.time_order(matrix).tolist() == [1, 2, 0]
    assert clip_coding.time_order(np.full((6, 3), 1 / 6)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", clip_coding.VIDEO_CODECS)
def test_what_is_no_such_clip(frames, name):
    packets, shape = clip_coding.encode(frames, name), frames.shape[:3]
    for wrong, message in (
        ((4, *shape[1:]), "expected 4 frames, got more"),
        ((6, *shape[1:]), "expected 6 frames, got 5"),
        ((5, 32, 32), "no .* stream of frames of 32 x 32 pixels|expected frames of 32 x 32 pixels, got 64 x 64"),
    ):
        with pytest.raises(UnreadableVideoError, match=message):
            clip_coding.decode(packets, name, wrong)
    for content in ([], [b""], [b"no video" * 40]):
        with pytest.raises(UnreadableVideoError):
            clip_coding.decode(content, name, shape)
    with pytest.raises(UnreadableVideoError):
        clip_coding.decode(packets[1:], name, shape)


@pytest.mark.parametrize("name", ["h264", "av1"])  # FFmpeg's decoders of HEVC and VP9 make up what is cut off
def test_pictures_that_are_cut_off_are_refused(frames, name):
    packets = clip_coding.encode(frames, name)
    for index, packet in enumerate(packets):
        cut = [*packets[:index], packet[: len(packet) * 2 // 3], *packets[index + 1 :]]
        with pytest.raises(UnreadableVideoError, match=f"no {name} stream|is damaged|expected 5 frames, got"):
            clip_coding.decode(cut, name, frames.shape[:3])


@pytest.mark.parametrize(
    ("name", "preset"), [("h264", "ultrafast"), ("hevc", "ultrafast"), ("av1", "12"), ("vp9", "8")]
)
def test_a_bomb_is_refused_before_memory_is_spent(name, preset):
    """A stream of huge pictures where small ones are expected: no picture is decoded that could have another size."""
    huge = np.zeros((1, 1024, 1024, 3), np.uint8)
    packets = clip_coding.encode(huge, name, 51, preset)
    assert sum(map(len, packets)) < huge.size / 500
    with pytest.raises(UnreadableVideoError, match=f"no {name} stream of frames of 64 x 64 pixels: "):
        clip_coding.decode(packets, name, (1, 64, 64))


def test_mistakes_are_named(frames):
    with pytest.raises(UserError, match=r"`codec` must be one of h264, hevc, av1, vp9. Received: codec=mpeg4"):
        clip_coding.encode(frames, "mpeg4")
    with pytest.raises(UserError, match=r"from 0 \(best\) to 51. Received: quality=90"):
        clip_coding.encode(frames, "h264", 90)


def test_wrong_settings_are_named(frames):
    with pytest.raises(UserError, match=r"encoder libx264 cannot .*Received: quality=24, preset=warp") as raised:
        clip_coding.encode(frames, "h264", preset="warp")
    assert not isinstance(raised.value, MissingEncoderError)  # another encoder would not help
    with pytest.raises(UserError, match="`encoder` must be one of `codec` h264; this one is of hevc"):
        clip_coding.encode(frames, "h264", encoder="libx265")
    with pytest.raises(UserError, match="`encoder` must take yuv420p or nv12 from memory; this one takes bgr0"):
        clip_coding.encode(frames, "h264", encoder="libx264rgb")


@pytest.mark.parametrize("name", ["h264_nowhere", "h264_v4l2m2m"])
def test_hardware_that_is_missing(frames, name):
    """FFmpeg does not know the first; the second needs a device that no computer of ours has."""
    with pytest.raises(MissingEncoderError, match=f"encoder {name}"):
        clip_coding.encode(frames, "h264", encoder=name)


def test_an_encoder_without_a_rate_factor_gets_a_bit_rate(frames, monkeypatch):
    """What is not the codec's own is told a rate; libx264 stands for the hardware."""
    own = clip_coding.VIDEO_CODECS["h264"]
    monkeypatch.setitem(clip_coding.VIDEO_CODECS, "h264", dataclasses.replace(own, encoder="h264_of_this_machine"))
    clip = np.random.default_rng(0).integers(0, 255, (75, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    for quality, bits_per_pixel in ((18, 0.5), (24, 0.25)):
        packets = clip_coding.encode(clip, "h264", quality, encoder="libx264")
        assert sum(map(len, packets)) == pytest.approx(bits_per_pixel * clip[..., 0].size / 8, rel=0.3)
    assert clip_coding.decode(packets, "h264", clip.shape[:3]).shape == clip.shape


def test_an_encoder_that_is_missing_is_named(frames, monkeypatch):
    settings = clip_coding.VIDEO_CODECS["h264"]
    missing = dataclasses.replace(settings, encoder="h264_nowhere")
    monkeypatch.setitem(clip_coding.VIDEO_CODECS, "h264", missing)
    with pytest.raises(MissingEncoderError, match="no encoder h264_nowhere here"):
        clip_coding.encode(frames, "h264")
