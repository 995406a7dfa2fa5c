"""Distilled frames as a short video: the coded pictures of one clip, without a container, and back.

A clip's packets carry their own parameter sets, so that it can be decoded by itself, and no text of the encoder's
settings. Frames travel as YUV 4:2:0 of BT.601 and limited range, which decoders take where nothing is stated; a stream
that states something else, as a browser's, is converted by that.

Encoders are told that errors of values count, not looks: a network looks at the frames. An error of a colour hits two
or three of its channels, so colours are coded finer than for people.

Licences: PyAV's wheels carry x264 and x265 under the GPL, and in many countries H.264 and HEVC are patented. AV1
(SVT-AV1) and VP9 (libvpx) are free of both.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from tsd_tf.contract.errors import MissingEncoderError, UnreadableVideoError, UserError
from tsd_tf.video import priority
from tsd_tf.video.frame_filter import FrameFilter

_TIME_BASE = Fraction(1, 25)  # of no consequence: packets travel without times
# Bit-exact conversions: the same bytes give the same frames on every processor.
_EXACT = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
_LARGEST_BLOCK = 64  # pixels, HEVC's and VP9's
_START_CODE = re.compile(rb"(\x00?\x00\x00\x01)")
_TEMPORAL_DELIMITER = b"\x12\0"  # before every picture of AV1; decoders of packets do without
_BITS_PER_PIXEL = 0.25  # of encoders that take a bit rate, at the codec's default quality
_CPU_AVX_512F = 13  # OpenCV's number
_SEI = 6  # the type of the NAL units in which x264 writes its settings, 700 bytes


@dataclasses.dataclass(frozen=True)
class VideoCodec:
    """How a codec codes clips.

    Attributes:
        encoder, decoder: FFmpeg's names.
        quality: the default one (CRF); a smaller one is better and takes more bytes.
        worst_quality: the largest one; the smallest is 0.
        preset: the default speed, as the encoder calls it.
        preset_option: the encoder's option that takes it.
        options: the encoder's other options.
        takes_real_time: whether the encoder gives its threads real-time priority where it may, as for root.
    """

    encoder: str
    decoder: str
    quality: int
    worst_quality: int
    preset: str
    preset_option: str
    options: dict[str, str]
    takes_real_time: bool = False


# One thread each: clips are coded side by side. With x264's functions for AVX-512, equal clips give different bytes.
_X264 = "threads=1:chroma-qp-offset=-4" + (":asm=AVX2" if cv2.checkHardwareSupport(_CPU_AVX_512F) else "")
# With cutree, x265 4.1 writes beyond its memory where a side has 34 to 48 pixels.
_X265 = "log-level=none:info=0:pools=none:frame-threads=1:cutree=0:cbqpoffs=-4:crqpoffs=-4"

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes a page about each clip to stderr: errors alone

VIDEO_CODECS = {
    "h264": VideoCodec(*("libx264", "h264", 24, 51, "slow", "preset"), {"tune": "psnr", "x264-params": _X264}),
    "hevc": VideoCodec(*("libx265", "hevc", 26, 51, "medium", "preset"), {"tune": "psnr", "x265-params": _X265}),
    "av1": VideoCodec(
        *("libsvtav1", "libdav1d", 32, 63, "6", "preset"), {"svtav1-params": "lp=1"}, takes_real_time=True
    ),
    "vp9": VideoCodec(*("libvpx-vp9", "vp9", 34, 63, "4", "cpu-used"), {"b": "0", "deadline": "good"}),
}


def encode(
    frames: np.ndarray, codec: str, quality: int | None = None, preset: str | None = None, encoder: str | None = None
) -> list[bytes]:
    """The coded pictures of a clip.

    Args:
        frames: uint8 RGB (num_frames, H, W, 3), in the order in which they follow each other.
        codec: one of VIDEO_CODECS.
        quality: of the codec, 0 to its worst; None for its default.
        preset: the encoder's speed; None for the codec's default.
        encoder: FFmpeg's name of another encoder of this codec, for example a hardware's: h264_videotoolbox,
            h264_v4l2m2m, h264_mediacodec, hevc_nvenc. None for the codec's own. Others have no CRF in common: they are
            given a bit rate, a quarter of a bit a pixel at the codec's default quality, and half of it for every 6 that
            `quality` is larger.

    Returns:
        Packets in the order of decoding. Together they are the elementary stream.

    Raises:
        UserError: there is no such codec, quality or preset, or `encoder` is none of this codec.
        MissingEncoderError: this machine's FFmpeg lacks the encoder, or the encoder its hardware.
    """
    settings = _settings(codec)
    quality = settings.quality if quality is None else quality
    if not 0 <= quality <= settings.worst_quality:
        raise UserError(
            f"`quality` of {codec} must be from 0 (best) to {settings.worst_quality}. Received: quality={quality}"
        )
    context = _encoder(codec, encoder or settings.encoder)
    name = context.codec.name
    is_own = name == settings.encoder
    height, width = context.height, context.width = _padded_size(*frames.shape[1:3])
    if is_own:
        options = settings.options | {"crf": str(quality), settings.preset_option: preset or settings.preset}
    else:
        bits_per_pixel = _BITS_PER_PIXEL * 2 ** ((settings.quality - quality) / 6)
        context.bit_rate = round(bits_per_pixel * height * width / _TIME_BASE)
        options = {} if preset is None else {"preset": preset}
    context.options = options
    to_yuv = yuv_filter(context.pix_fmt)
    padding = ((0, 0), (0, height - frames.shape[1]), (0, width - frames.shape[2]), (0, 0))
    packets: list[Any] = []
    with priority.without_real_time() if settings.takes_real_time else contextlib.nullcontext():
        try:
            context.open()
            for time, picture in enumerate(np.pad(frames, padding, mode="edge")):
                (frame,) = to_yuv.push(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
                frame.pts, frame.time_base = time, _TIME_BASE
                packets += context.encode(frame)
            packets += context.encode(None)
        except av.FFmpegError as error:
            reason = f"FFmpeg's encoder {name} cannot encode frames of shape {frames.shape} here: {error.strerror}"
            if not is_own:
                raise MissingEncoderError(reason) from error
            raise UserError(f"{reason}. Received: quality={quality}, preset={preset}") from error
    contents = list(map(bytes, packets))
    if codec == "h264":
        return list(map(_without_sei, contents))
    return [content.removeprefix(_TEMPORAL_DELIMITER) for content in contents] if codec == "av1" else contents


def decode(packets: Sequence[bytes], codec: str, shape: tuple[int, ...]) -> np.ndarray:
    """The frames of a clip, from anyone.

    Args:
        packets: what `encode` returned, or another encoder's; empty ones are left out.
        codec: one of VIDEO_CODECS.
        shape: (num_frames, H, W) that are expected.

    Returns:
        uint8 RGB (num_frames, H, W, 3); the same on every processor.

    Raises:
        UserError: there is no such codec.
        UnreadableVideoError: the stream cannot be decoded, or holds another number of frames, or of another size.
    """
    num_frames, height, width = shape
    padded = _padded_size(height, width)
    decoder: Any = av.CodecContext.create(_settings(codec).decoder, "r")
    decoder.thread_count = 1
    # Decoders count whole blocks. What is damaged is refused, as far as they notice: nobody is to be answered for what
    # a decoder has made up in its place.
    most_pixels = (height + _LARGEST_BLOCK) * (width + _LARGEST_BLOCK)
    decoder.options = {"max_pixels": str(most_pixels), "err_detect": "explode"}
    to_rgb = FrameFilter(("scale", _EXACT), ("format", "rgb24"))
    pictures: list[np.ndarray] = []
    try:
        for packet in (*(av.Packet(content) for content in packets if content), None):
            for frame in decoder.decode(packet):
                if (frame.height, frame.width) not in (padded, (height, width)):
                    raise UnreadableVideoError(
                        f"expected frames of {width} x {height} pixels, got {frame.width} x {frame.height}"
                    )
                if len(pictures) == num_frames:
                    raise UnreadableVideoError(f"expected {num_frames} frames, got more")
                if frame.is_corrupt:
                    raise UnreadableVideoError(f"picture {len(pictures) + 1} of the {codec} stream is damaged")
                (converted,) = to_rgb.push(frame)
                pictures.append(converted.to_ndarray()[:height, :width])
    except (av.FFmpegError, MemoryError) as error:
        raise UnreadableVideoError(f"no {codec} stream of frames of {width} x {height} pixels: {error}") from error
    if len(pictures) != num_frames:
        raise UnreadableVideoError(f"expected {num_frames} frames, got {len(pictures)}")
    return np.stack(pictures)


def yuv_filter(pixel_format: str) -> FrameFilter:
    """A filter from RGB to YUV of BT.601 and limited range, the same on every processor.

    Args:
        pixel_format: FFmpeg's name of what comes out: yuv420p, nv12 ...
    """
    return FrameFilter(("scale", f"{_EXACT}:out_color_matrix=bt601:out_range=limited"), ("format", pixel_format))


def time_order(matrix: np.ndarray) -> np.ndarray:
    """The order in which the columns of P follow each other in time: neighbours that are alike take fewer bytes.

    Args:
        matrix: P, (T, T_s).

    Returns:
        int64 (T_s,): distilled_frames[order] are in time order, by the columns' expected time sum_i i P_ij.
    """
    return np.argsort(np.arange(len(matrix)) @ matrix, kind="stable")


def _settings(codec: str) -> VideoCodec:
    if codec not in VIDEO_CODECS:
        raise UserError(f"`codec` must be one of {', '.join(VIDEO_CODECS)}. Received: codec={codec}")
    return VIDEO_CODECS[codec]


def _encoder(codec: str, name: str) -> Any:
    """FFmpeg's encoder of this name, not opened yet."""
    try:
        found = av.Codec(name, "w")
    except ValueError as error:
        raise MissingEncoderError(f"FFmpeg has no encoder {name} here") from error
    if found.canonical_name != codec:
        raise UserError(
            f"`encoder` must be one of `codec` {codec}; this one is of {found.canonical_name}. Received: encoder={name}"
        )
    formats = [format.name for format in found.video_formats or ()]
    taken = [format for format in ("yuv420p", "nv12") if format in formats or not formats]
    if not taken:
        raise UserError(
            f"`encoder` must take yuv420p or nv12 from memory; this one takes {', '.join(formats)}. "
            f"Received: encoder={name}"
        )
    context: Any = av.CodecContext.create(name, "w")
    context.pix_fmt, context.time_base, context.framerate = taken[0], _TIME_BASE, 1 / _TIME_BASE
    return context


def _padded_size(height: int, width: int) -> tuple[int, int]:
    """The next even size: with 4:2:0, two by two pixels share a colour."""
    return height + height % 2, width + width % 2


def _without_sei(packet: bytes) -> bytes:
    """An H.264 packet, Annex B, without supplemental information; a start code occurs nowhere else in it."""
    _, *parts = _START_CODE.split(packet)
    units = zip(parts[::2], parts[1::2], strict=True)
    return b"".join(code + unit for code, unit in units if unit[0] & 0x1F != _SEI)
