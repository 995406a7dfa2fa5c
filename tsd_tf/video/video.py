"""Reads frames from video files and streams: as a player shows them, at one frame rate and size."""

import collections
import os
from collections.abc import Iterator
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.stream import Disposition

from tsd_tf.contract import frame_times
from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import animated_webp, finding, geometry, resampling
from tsd_tf.video.frame_filter import FrameFilter
from tsd_tf.video.limits import MAX_PIXELS, check_aspect
from tsd_tf.video.timestamps import BestEffortTimestamps
from tsd_tf.video.utf8_name import utf8_name

_LONGEST_OPENING = 10.0  # seconds, of a stream
_STARTS_ITS_CLOCK_ANEW = 0x0200  # AVFMT_TS_DISCONT, of formats that are cut together from others, as MPEG-TS
_LONGEST_JUMP = 10.0  # seconds, in such a format; FFmpeg's -dts_delta_threshold
_LONGEST_PAUSE = 600.0  # seconds, in the others: what is longer is a broken clock
# Whoever made a file must not choose what else is read: no other protocols, no lists of other files.
_OF_FILES = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(av.formats_available - {"hls", "concat", "dash", "imf"})),
}
# Fields are told apart where a frame says that it has two; frames that do not are left alone.
_DEINTERLACE = ("bwdif", "mode=send_frame:deint=interlaced")
# PyAV knows no name for what FFmpeg numbers 28 to 32, EXIF among them, and then gives none of a frame's side data.
_TO_RGB = (
    ("scale", ""),
    ("format", "rgb24"),
    *(("sidedata", f"mode=delete:type={number}") for number in range(28, 33)),
)


def decoder_versions() -> dict[str, str]:
    """{library: version} of what makes pictures out of videos here."""
    libraries = {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}
    used = {name: libraries[name] for name in ("libavcodec", "libavfilter", "libavformat", "libswscale")}
    return {"PyAV": av.__version__, **used, "OpenCV": cv2.__version__}


class Video:
    """A video, read once from its start: its main stream's pictures, upright, in RGB as ffmpeg converts them.

    Times are those of a player: edit lists are obeyed, 0 is where the file starts (if sound comes before the first
    picture, that picture comes late), and pauses are kept. Interlaced pictures are deinterlaced. High dynamic range is
    converted to RGB as it is, without tone mapping. Transparency is dropped.

    Args:
        path: the file.
        num_threads: of the decoder; 0 for one a core.
        square_pixels: whether to obey a ratio of the pixels' sides other than 1. Many copies of data sets carry a wrong
            one.

    Attributes:
        codec: name of FFmpeg's decoder.
        header_duration: seconds until the end of the last picture according to the header, or None.
        duration: seconds read, to the end of the last picture; complete once `frames` is exhausted.
        damage: empty of files: FFmpeg does not tell of what it passes over. See FrameFolder, and `live`.

    Raises:
        UnreadableVideoError: there is no such file, no video stream in it, or no decoder for it.
    """

    damage = ""
    _stall_seconds: float | None = None  # of streams

    def __init__(self, path: str | os.PathLike, num_threads: int = 1, square_pixels: bool = False) -> None:
        path = os.fspath(path)
        if not os.path.isfile(path):
            raise UnreadableVideoError("no such file")
        try:
            is_empty = not os.path.getsize(path)
            self._webp = path if finding.is_animated_webp(path) else None
        except OSError as error:
            raise UnreadableVideoError(f"the file cannot be read: {error.strerror}") from error
        if is_empty:
            raise UnreadableVideoError("the file is empty")
        with utf8_name(path) as name:
            self._open(f"file:{name}", num_threads, square_pixels, options=_OF_FILES)

    @classmethod
    def live(cls, url: str, square_pixels: bool = False, stall_seconds: float = 10.0) -> "Video":
        """A stream that FFmpeg can read: rtsp://, http://, udp:// ... Its `damage` says why it ended, if FFmpeg knows.

        Args:
            url: its address.
            square_pixels: see Video.
            stall_seconds: it ends when it sends nothing for so long.

        Raises:
            UnreadableVideoError: it cannot be opened.
        """
        stream = cls.__new__(cls)
        stream._webp = None
        stream._stall_seconds = stall_seconds
        # To open one takes seconds even if it sends all the time, since FFmpeg looks at it first.
        stream._open(url, 1, square_pixels, timeout=(max(stall_seconds, _LONGEST_OPENING), stall_seconds))
        return stream

    def _open(self, url: str, num_threads: int, square_pixels: bool, **options: Any) -> None:
        try:
            self._container = av.open(url, metadata_errors="replace", **options)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            reason = "nothing came in time" if isinstance(error, av.error.ExitError) else _reason(error)
            raise UnreadableVideoError(f"no video stream that FFmpeg can decode: {reason}") from error
        try:
            self._stream: Any = _main_stream(self._container)
            self._decoder: Any = self._stream.codec_context
            if self._decoder is None:
                raise UnreadableVideoError(f"FFmpeg has no decoder for its codec, {_codec_in_words(url, options)}")
            width, height = self._decoder.width, self._decoder.height
            if width * height > MAX_PIXELS:
                raise UnreadableVideoError(f"pictures of {width} x {height} pixels: too large")
        except UnreadableVideoError:
            self._container.close()
            raise
        stream, decoder = self._stream, self._decoder
        decoder.options = {"max_pixels": str(MAX_PIXELS)}
        decoder.thread_count = num_threads
        decoder.thread_type = "AUTO" if num_threads != 1 else "SLICE"
        self.codec = decoder.name
        ratio = stream.sample_aspect_ratio if square_pixels else None
        self._pixel_ratio = float(ratio or 1)
        self._rate = float(stream.average_rate or stream.guessed_rate or 0)
        self._origin = None if self._container.start_time is None else self._container.start_time / av.time_base
        self.header_duration = self._promised()
        self.duration = 0.0
        self._to_rgb = FrameFilter(*_TO_RGB)

    def frames(
        self, *, frame_rate: float, short_side: int, time_start: float = 0.0, time_end: float | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the pictures that are on display at time_start + k / frame_rate, k = 0, 1, ...

        Args:
            frame_rate: pictures a second, independent of the video's rate, which may vary.
            short_side: pixels of the short side after scaling; the aspect ratio is kept.
            time_start, time_end: the half-open interval to read, in seconds; time_end is None for the end.

        Yields:
            uint8 RGB arrays (height, width, 3), all of the first one's size.

        Raises:
            UnreadableVideoError: no frame can be decoded, a picture is more than 16 times as long as wide, or there is
                too little memory.
        """
        size: tuple[int, int] | None = None
        last = None
        try:
            for frame in resampling.on_display(self._timed_frames(), frame_rate, time_start, time_end):
                if frame is not last:  # conversion is most of the work, and many frames are never shown
                    last, picture = frame, self._picture(frame, short_side, size)
                    size = picture.shape[1], picture.shape[0]
                yield picture
        except UnreadableVideoError:
            raise
        except MemoryError as error:
            raise UnreadableVideoError("not enough memory for its pictures") from error
        except (av.FFmpegError, OSError, cv2.error, ValueError) as error:
            raise UnreadableVideoError(f"its pictures cannot be converted: {_reason(error)}") from error
        finally:
            self._close()

    def _close(self) -> None:
        """Lets go of what FFmpeg holds: container and streams refer to each other, and may hold a gigabyte."""
        self._container.close()
        del self._container, self._stream, self._decoder, self._to_rgb

    def _timed_frames(self) -> Iterator[tuple[float, av.VideoFrame | None]]:
        """Yields (seconds, frame), the times strictly ascending, and at last (the end, None)."""
        jumps = self._container.format.flags & _STARTS_ITS_CLOCK_ANEW
        times = frame_times.FrameTimes(self._rate, self._origin, _LONGEST_JUMP if jumps else _LONGEST_PAUSE)
        for frame, timestamp, duration in self._progressive_frames():
            time = times.add(timestamp, duration)
            self.duration = times.end
            yield time, frame
        if times.time is None:
            raise UnreadableVideoError("no frame of it can be decoded")
        yield times.end, None

    def _progressive_frames(self) -> Iterator[tuple[av.VideoFrame, float | None, float | None]]:
        """Yields (frame without fields, seconds of its timestamp, of its duration)."""
        timestamps = BestEffortTimestamps()
        deinterlacer: FrameFilter | None = None
        waiting: collections.deque[tuple[float | None, float | None]] = collections.deque()
        for frame in self._decoded_frames() if self._webp is None else animated_webp.frames(self._webp):
            unit = float(frame.time_base or 0)
            timestamp = timestamps.choose(frame.pts, frame.dts)
            timing = None if timestamp is None else timestamp * unit, (frame.duration or 0) * unit or None
            if deinterlacer is None and not frame.interlaced_frame:
                yield frame, *timing
                continue
            deinterlacer = deinterlacer or FrameFilter(_DEINTERLACE)
            waiting.append(timing)
            for ready in deinterlacer.push(frame):
                yield ready, *waiting.popleft()
        if deinterlacer is not None:
            for ready in deinterlacer.flush():
                yield ready, *waiting.popleft()

    def _decoded_frames(self) -> Iterator[av.VideoFrame]:
        """Yields what FFmpeg decodes; damaged packets are passed over, as ffmpeg does."""
        packets = self._container.demux(self._stream)
        packet: av.Packet | None
        readable = True
        while readable:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:  # cut off; the decoder may still hold frames
                packet = None
                if self._stall_seconds is not None:
                    is_late = isinstance(error, av.error.ExitError)
                    self.damage = f"nothing came for {self._stall_seconds:g} s" if is_late else _reason(error)
            readable = packet is not None
            try:
                yield from self._decoder.decode(packet)
            except MemoryError:
                raise
            except (av.FFmpegError, EOFError):
                continue

    def _picture(self, frame: av.VideoFrame, short_side: int, size: tuple[int, int] | None) -> np.ndarray:
        """A frame in RGB, upright, of the given (width, height), or scaled to `short_side` if that is None."""
        (converted,) = self._to_rgb.push(frame)
        picture = converted.to_ndarray()
        height, width = picture.shape[0], round(picture.shape[1] * self._pixel_ratio)
        check_aspect(width, height)
        # Not `converted.side_data`: frame and side data would refer to each other, and all frames stay in memory.
        side_data = SideDataContainer(converted)  # type: ignore[call-arg]
        display: Any = next((item for item in side_data if item.type == Type.DISPLAYMATRIX), None)
        matrix = None if display is None else np.frombuffer(display, np.int32).reshape(3, 3)
        if size is None:
            size = frame_times.scaled_size(height, width, short_side)
        elif matrix is not None and geometry.is_transposed(matrix):
            size = size[::-1]
        resized = geometry.resized(picture, size)
        return resized if matrix is None else geometry.upright(resized, matrix)

    def _promised(self) -> float | None:
        stream, time_base = self._stream, self._stream.time_base
        if stream.duration and time_base:
            start = float((stream.start_time or 0) * time_base) - (self._origin or 0.0)
            return max(start, 0.0) + float(stream.duration * time_base)
        return self._container.duration / av.time_base if self._container.duration else None


def _main_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The default one of those that can be decoded, as a player chooses; pictures of a cover are none."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise UnreadableVideoError("no video stream in it")

    def rank(stream: av.VideoStream) -> tuple[bool, bool, int]:
        decoder = stream.codec_context
        is_default = bool(stream.disposition & Disposition.default)
        return decoder is not None, is_default, decoder.width * decoder.height if decoder else 0

    return max(streams, key=rank)


def _codec_in_words(url: str, options: dict[str, Any]) -> str:
    """What FFmpeg calls a codec that it cannot decode; only its log tells."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, av.open(url, metadata_errors="replace", **options):
            text = " ".join(message for _, _, message in lines)
    finally:
        av.logging.set_level(level)
    _, _, codec = text.partition("(Video: ")
    return codec.partition(",")[0].partition("):")[0] or "unknown"


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split())
