"""Decoding in a process of its own: a video that crashes or hangs the decoder costs only itself."""

import contextlib
import json
import math
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import geometry
from tsd_tf.video.limits import limit_memory

# What comes back is a byte for each frame, which lies in the next slot of the memory that both processes share. Before
# the first one come its kind and (height, width); at the end come its kind and (number of bytes that follow, 0). What
# goes there are lines: requests in JSON, and an empty one whenever some frames more have been taken from their slots.
_FRAME, _SIZE, _ERROR, _END = b"F", b"S", b"E", b"."
_NUMBERS = struct.Struct("<II")
_SHARED_BYTES = 32 << 20
_TAKEN_AT_ONCE = 8
_TOLD_AT_ONCE = 4
_MAX_SLOTS = 32  # frames that may wait: enough to decode on while the last ones are used, few enough for the cache
_LENGTHS = struct.Struct("<dd")  # at the end: seconds read and promised, not a number for None; then what is damaged
# Bytes that decoding may take; UHD in HEVC with 10 bits takes a third. With the libraries the process stays below 1 GB.
_MAX_MEMORY = 832 << 20
_MAX_THREADS = 4  # each holds pictures of its own
_SHARE_OF_WHOLE = 0.9


class IsolatedDecoder:
    """Reads frames of one video after the other in a process that is started again when it dies.

    Not with `multiprocessing`, whose processes run the caller's main module again; and not with pickle, since what
    comes back is only as trustworthy as the video.

    Args:
        hang_seconds: a picture that takes longer counts as one that took the process down.
        frame_folder_rate: pictures a second of folders of numbered pictures; None to read files alone.

    Attributes:
        duration, header_duration, damage: of the last video that was read to its end; see Video. Before: 0, None, "".
    """

    def __init__(self, hang_seconds: float = 60.0, frame_folder_rate: float | None = None) -> None:
        self._hang_seconds, self._frame_folder_rate = hang_seconds, frame_folder_rate
        self._forget()
        self._process: subprocess.Popen | None = None
        self._pipe: Any = None
        self._shared: Any = None

    def frames(
        self, path: str | os.PathLike, crop_size: int | None = None, square_pixels: bool = False, **options: Any
    ) -> Iterator[np.ndarray]:
        """Yields what Video.frames yields.

        Args:
            path: the file, or a folder of numbered pictures.
            crop_size: pixels of the square that is cropped from the middle of each frame; None for whole frames.
            square_pixels: see Video.
            options: arguments of Video.frames.

        Raises:
            UnreadableVideoError: also if the decoder crashed, or was busy for too long.
        """
        is_over = False
        self._forget()
        request = {"path": os.path.abspath(path), "frame_folder_rate": self._frame_folder_rate, "crop_size": crop_size}
        try:
            self._send(json.dumps({**request, "square_pixels": square_pixels, "options": options}).encode() + b"\n")
            slots, count = np.zeros((1, 0, 0, 3), np.uint8), 0
            while True:
                kind = self._read(1)
                if kind == _FRAME:
                    frame = slots[count % len(slots)].copy()
                    count += 1
                    if count % _TAKEN_AT_ONCE == 0:
                        self._send(b"\n")
                    yield frame
                    continue
                first, second = _NUMBERS.unpack(self._read(_NUMBERS.size))
                if kind == _SIZE:
                    slots = _slots(self._shared, first, second)
                    continue
                contents = self._read(first)
                is_over = True
                if kind == _ERROR:
                    raise UnreadableVideoError(contents.decode(errors="replace"))
                self._remember(contents)
                return
        finally:
            if not is_over:  # what the process would still say is of no use
                self.close()

    @property
    def shortfall(self) -> str:
        """What of the last video could not be read, in words; empty if it is whole, or tells no length."""
        reasons = []
        if self.header_duration is not None and self.duration < _SHARE_OF_WHOLE * self.header_duration:
            promised = f"{self.header_duration:.2f} s that the file's header promises"
            reasons.append(f"only {self.duration:.2f} s of the {promised} could be read")
        if self.damage:
            reasons.append(self.damage)
        return "; ".join(reasons)

    def close(self) -> None:
        """Ends the process; it ends with this one in any case."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            self._process = None

    def _forget(self) -> None:
        self.duration = 0.0
        self.header_duration: float | None = None
        self.damage = ""

    def _remember(self, contents: bytes) -> None:
        self.duration, promised = _LENGTHS.unpack_from(contents)
        self.header_duration = None if math.isnan(promised) else promised
        self.damage = contents[_LENGTHS.size :].decode(errors="replace")

    def _send(self, request: bytes) -> None:
        if self._process is None:
            ours, theirs = socket.socketpair()
            with theirs, tempfile.TemporaryFile() as file:
                file.truncate(_SHARED_BYTES)
                self._shared = mmap.mmap(file.fileno(), _SHARED_BYTES)
                shared = theirs.fileno(), file.fileno()
                command = [sys.executable, "-m", __name__, *map(str, shared)]
                self._process = subprocess.Popen(command, pass_fds=shared, stderr=subprocess.DEVNULL)
            ours.settimeout(self._hang_seconds)
            with ours:  # the file keeps it open
                self._pipe = ours.makefile("rwb")
        with contextlib.suppress(BrokenPipeError):  # it has died: the first read finds out
            self._pipe.write(request)
            self._pipe.flush()

    def _read(self, count: int) -> bytes:
        try:
            contents = self._pipe.read(count)
        except TimeoutError as error:
            raise UnreadableVideoError(f"the decoder was still busy after {self._hang_seconds:g} s") from error
        except ConnectionError:
            contents = b""
        if len(contents) < count and self._process is not None:
            raise UnreadableVideoError(f"the decoder crashed (exit code {self._process.wait()})")
        return contents


def _slots(shared: mmap.mmap, height: int, width: int) -> np.ndarray:
    """Shared memory as places of frames: uint8 (slots, height, width, 3)."""
    num_slots = min(_MAX_SLOTS, _SHARED_BYTES // (height * width * 3))
    return np.frombuffer(shared, np.uint8, num_slots * height * width * 3).reshape(num_slots, height, width, 3)


def _serve(pipe: Any, shared: mmap.mmap) -> None:
    """What the process does: reads requests, one a line, and answers each."""
    import cv2

    num_threads = min(_MAX_THREADS, os.cpu_count() or 1)
    cv2.setNumThreads(num_threads)
    limit_memory(_MAX_MEMORY)
    for line in pipe:
        if not line.strip():  # of a video that is over
            continue
        request = json.loads(line)
        try:
            kind, message = _END, _answer(request, num_threads, pipe, shared)
        except ConnectionError:
            return
        except Exception as error:  # whatever a hostile file brings about is said of that file
            kind, message = _ERROR, (str(error) or type(error).__name__).encode(errors="replace")
        pipe.write(kind + _NUMBERS.pack(len(message), 0) + message)
        pipe.flush()


def _answer(request: dict[str, Any], num_threads: int, pipe: Any, shared: mmap.mmap) -> bytes:
    """Passes the frames of a video on; returns what there is to say at its end."""
    from tsd_tf.video.opening import open_video

    video = open_video(
        request["path"],
        num_threads=num_threads,
        square_pixels=request["square_pixels"],
        frame_folder_rate=request["frame_folder_rate"],
    )
    slots, taken = np.zeros((0, 0, 0, 3), np.uint8), 0
    for count, picture in enumerate(video.frames(**request["options"])):
        frame = picture if request["crop_size"] is None else geometry.centre(picture, request["crop_size"])
        if not count:
            slots = _slots(shared, *frame.shape[:2])
            if len(slots) < _TAKEN_AT_ONCE:
                raise UnreadableVideoError(f"frames of {frame.shape[1]} x {frame.shape[0]} pixels: too large")
            pipe.write(_SIZE + _NUMBERS.pack(*frame.shape[:2]))
        while count - taken >= len(slots):
            pipe.flush()
            if not pipe.readline():
                raise ConnectionError("whom the frames were for is gone")
            taken += _TAKEN_AT_ONCE
        slots[count % len(slots)] = frame
        pipe.write(_FRAME)
        if count % _TOLD_AT_ONCE == 0:  # each time wakes the other process, on cores that decoding wants
            pipe.flush()
    promised = math.nan if video.header_duration is None else video.header_duration
    return _LENGTHS.pack(video.duration, promised) + video.damage.encode(errors="replace")


if __name__ == "__main__":
    channel, memory = map(int, sys.argv[1:])
    with contextlib.suppress(ConnectionError), socket.socket(fileno=channel) as ours:
        _serve(ours.makefile("rwb"), mmap.mmap(memory, _SHARED_BYTES))
