"""Distilled frames as a short video: the coded pictures of one clip, without a container, and back.

A clip's packets carry their own parameter sets, so that it can be decoded by itself, and no text of the encoder's
settings. Frames travel as YUV 4:2:0 of BT.601 and limited range, which decoders take where nothing is stated; a stream
that states something else, as a browser's, is converted by that.

Licences: PyAV's wheels carry x264 and x265 under the GPL, and in some countries H.264 and HEVC are patented.
VP9 (libvpx) is free of both. So is AV1, but its one encoder in these wheels, SVT-AV1, gives the calling thread
real-time priority where it may, as for root, and then keeps other processes from running.
"""

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.video.frame_filter import FrameFilter

_TIME_BASE = Fraction(1, 25)  # of no consequence: packets travel without times
# Bit-exact conversions: the same bytes give the same frames on every processor.
_EXACT = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
_LARGEST_BLOCK = 64  # pixels, HEVC's and VP9's
_START_CODE = re.compile(rb"(\x00?\x00\x00\x01)")
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
    """

    encoder: str
    decoder: str
    quality: int
    worst_quality: int
    preset: str
    preset_option: str
    options: dict[str, str]


VIDEO_CODECS = {
    # One thread each: clips are coded side by side.
    "h264": VideoCodec(*("libx264", "h264", 24, 51, "medium", "preset"), {"x264-params": "threads=1"}),
    # With cutree, x265 4.1 writes beyond its memory where a side has 34 to 48 pixels.
    "hevc": VideoCodec(
        *("libx265", "hevc", 26, 51, "medium", "preset"),
        {"x265-params": "log-level=none:info=0:pools=none:frame-threads=1:cutree=0"},
    ),
    "vp9": VideoCodec(*("libvpx-vp9", "vp9", 34, 63, "4", "cpu-used"), {"b": "0", "deadline": "good"}),
}


def encode(frames: np.ndarray, codec: str, quality: int | None = None, preset: str | None = None) -> list[bytes]:
    """The coded pictures of a clip.

    Args:
        frames: uint8 RGB (num_frames, H, W, 3), in the order in which they follow each other.
        codec: one of VIDEO_CODECS.
        quality: of the codec, 0 to its worst; None for its default.
        preset: the encoder's speed; None for the codec's default.

    Returns:
        Packets in the order of decoding. Together they are the elementary stream.

    Raises:
        UserError: there is no such codec or quality, or this machine's FFmpeg lacks the encoder.
    """
    settings = _settings(codec)
    quality = settings.quality if quality is None else quality
    if not 0 <= quality <= settings.worst_quality:
        raise UserError(
            f"`quality` of {codec} must be from 0 (best) to {settings.worst_quality}. Received: quality={quality}"
        )
    height, width = _padded_size(*frames.shape[1:3])
    padding = ((0, 0), (0, height - frames.shape[1]), (0, width - frames.shape[2]), (0, 0))
    try:
        encoder: Any = av.CodecContext.create(settings.encoder, "w")
    except (av.FFmpegError, ValueError) as error:
        raise UserError(
            f"FFmpeg has no encoder {settings.encoder} here, which `codec` {codec} needs; choose another of "
            f"{', '.join(VIDEO_CODECS)}"
        ) from error
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", _TIME_BASE
    encoder.framerate = 1 / _TIME_BASE
    encoder.options = {
        **settings.options,
        "crf": str(quality),
        settings.preset_option: settings.preset if preset is None else preset,
    }
    to_yuv = FrameFilter(("scale", f"{_EXACT}:out_color_matrix=bt601:out_range=limited"), ("format", "yuv420p"))
    packets = []
    try:
        for time, picture in enumerate(np.pad(frames, padding, mode="edge")):
            (frame,) = to_yuv.push(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            frame.pts, frame.time_base = time, _TIME_BASE
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
    except av.FFmpegError as error:
        raise UserError(f"{settings.encoder} cannot encode frames of shape {frames.shape}: {error}") from error
    contents = list(map(bytes, packets))
    return list(map(_without_sei, contents)) if codec == "h264" else contents


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
    # Decoders count whole blocks.
    decoder.options = {"max_pixels": str((height + _LARGEST_BLOCK) * (width + _LARGEST_BLOCK))}
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
                (converted,) = to_rgb.push(frame)
                pictures.append(converted.to_ndarray()[:height, :width])
    except (av.FFmpegError, MemoryError) as error:
        raise UnreadableVideoError(f"no {codec} stream of frames of {width} x {height} pixels: {error}") from error
    if len(pictures) != num_frames:
        raise UnreadableVideoError(f"expected {num_frames} frames, got {len(pictures)}")
    return np.stack(pictures)


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


def _padded_size(height: int, width: int) -> tuple[int, int]:
    """The next even size: with 4:2:0, two by two pixels share a colour."""
    return height + height % 2, width + width % 2


def _without_sei(packet: bytes) -> bytes:
    """An H.264 packet, Annex B, without supplemental information; a start code occurs nowhere else in it."""
    _, *parts = _START_CODE.split(packet)
    units = zip(parts[::2], parts[1::2], strict=True)
    return b"".join(code + unit for code, unit in units if unit[0] & 0x1F != _SEI)
