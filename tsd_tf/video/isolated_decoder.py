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
import time
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video import geometry
from tsd_tf.video.limits import SHARE_OF_WHOLE, keep_freed_memory, limit_memory

# What comes back is a byte for each frame, which lies in the next slot of the memory that both processes share. Before
# the first one come its kind and (height, width); at the end come its kind and (number of bytes that follow, 0). What
# goes there are lines: requests in JSON, and an empty one whenever some frames more have been taken from their slots.
_READY, _FRAME, _SIZE, _ERROR, _END = b"R", b"F", b"S", b"E", b"."
_NUMBERS = struct.Struct("<II")
_SHARED_BYTES = 32 << 20
_TAKEN_AT_ONCE = 8
_TOLD_AT_ONCE = 4
_TOLD_AFTER_SECONDS = 0.1
_MAX_SLOTS = 32  # frames that may wait: enough to decode on while the last ones are used, few enough for the cache
_LENGTHS = struct.Struct("<dd")  # at the end: seconds read and promised, not a number for None; then what is damaged
# Bytes that decoding may take; UHD in HEVC with 10 bits takes a third. With the libraries the process stays below 1 GB.
_MAX_MEMORY = 832 << 20
_START_SECONDS = 120.0  # a busy machine imports slowly
_LIVE_GRACE = 15.0  # seconds; what reads a stream or a camera should notice by itself that nothing comes
_MAX_THREADS = 4  # each holds pictures of its own


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
        self._socket: Any = None
        self._answers: Any = None
        self._shared: Any = None
        self._reader: object = None  # who reads the current video

    def frames(
        self,
        path: str | os.PathLike | int,
        crop_size: int | None = None,
        square_pixels: bool = False,
        stall_seconds: float | None = None,
        **options: Any,
    ) -> Iterator[np.ndarray]:
        """Yields what Video.frames yields. One video at a time: the next one ends the reading of the last.

        Args:
            path: the file, or a folder of numbered pictures; or the URL of a stream, or the number of a camera.
            crop_size: pixels of the square that is cropped from the middle of each frame; None for whole frames.
            square_pixels: see Video.
            stall_seconds: of a stream or a camera, see Video.live; None if `path` is a file or a folder.
            options: arguments of Video.frames.

        Raises:
            UnreadableVideoError: also if the decoder crashed, or was busy for too long.
            RuntimeError: the process does not start; or another video has been asked for in the meantime.
        """
        if self._reader is not None:
            self.close()
        self._reader = reader = object()
        self._forget()
        request = {
            "path": path if isinstance(path, int) or stall_seconds is not None else os.path.abspath(path),
            "stall_seconds": stall_seconds,
            "frame_folder_rate": self._frame_folder_rate,
            "crop_size": crop_size,
            "square_pixels": square_pixels,
            "options": options,
        }
        is_over = False
        try:
            if self._process is None:
                self._start()
            self._socket.settimeout(self._hang_seconds if stall_seconds is None else stall_seconds + _LIVE_GRACE)
            self._send(json.dumps(request).encode() + b"\n")
            slots, count = np.zeros((1, 0, 0, 3), np.uint8), 0
            while True:
                kind = self._read(1)
                if kind == _FRAME:
                    frame = slots[count % len(slots)].copy()
                    count += 1
                    if count % _TAKEN_AT_ONCE == 0:
                        self._send(b"\n")
                    yield frame
                    if self._reader is not reader:
                        raise RuntimeError("another video has been asked for in the meantime")
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
            if self._reader is reader:
                self._reader = None
                if not is_over:  # what the process would still say is of no use
                    self.close()

    @property
    def shortfall(self) -> str:
        """What of the last video could not be read, in words; empty if it is whole, or tells no length."""
        reasons = []
        if self.header_duration is not None and self.duration < SHARE_OF_WHOLE * self.header_duration:
            promised = f"{self.header_duration:.2f} s that the file's header promises"
            reasons.append(f"only {self.duration:.2f} s of the {promised} could be read")
        if self.damage:
            reasons.append(self.damage)
        return "; ".join(reasons)

    def close(self) -> None:
        """Ends the process; it ends with this one in any case."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._answers.close()
            self._socket.close()

    def _forget(self) -> None:
        self.duration = 0.0
        self.header_duration: float | None = None
        self.damage = ""

    def _remember(self, contents: bytes) -> None:
        self.duration, promised = _LENGTHS.unpack_from(contents)
        self.header_duration = None if math.isnan(promised) else promised
        self.damage = contents[_LENGTHS.size :].decode(errors="replace")

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as stack:
            if hasattr(os, "memfd_create"):  # in memory, where the system has that
                file: IO[bytes] = stack.enter_context(os.fdopen(os.memfd_create("frames"), "w+b"))
            else:
                file = stack.enter_context(tempfile.TemporaryFile())
            file.truncate(_SHARED_BYTES)
            self._shared = mmap.mmap(file.fileno(), _SHARED_BYTES)
            descriptors = theirs.fileno(), file.fileno()
            # Not `-m`, which looks in the current folder first: the same modules as here.
            program = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); import {__name__} as it; it.serve()"
            command = [sys.executable, "-c", program, json.dumps(sys.path), *map(str, descriptors)]
            # In a session of its own: Ctrl-C is for this process, which ends that one.
            self._process = subprocess.Popen(
                command, pass_fds=descriptors, stderr=subprocess.DEVNULL, start_new_session=True
            )
        self._socket.settimeout(_START_SECONDS)
        self._answers = self._socket.makefile("rb")
        try:
            self._read(1)
        except UnreadableVideoError as error:
            raise RuntimeError(f"the process that decodes videos did not start: {error}") from error

    def _send(self, request: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died, or hangs: the next read finds out
            self._socket.sendall(request)

    def _read(self, count: int) -> bytes:
        try:
            contents = self._answers.read(count)
        except TimeoutError as error:
            raise UnreadableVideoError(f"the decoder was still busy after {self._socket.gettimeout():g} s") from error
        except ConnectionError:
            contents = b""
        if len(contents) < count and self._process is not None:
            raise UnreadableVideoError(f"the decoder crashed (exit code {self._process.wait()})")
        return contents


def _slots(shared: mmap.mmap, height: int, width: int) -> np.ndarray:
    """Shared memory as places of frames: uint8 (slots, height, width, 3)."""
    num_slots = min(_MAX_SLOTS, _SHARED_BYTES // (height * width * 3))
    return np.frombuffer(shared, np.uint8, num_slots * height * width * 3).reshape(num_slots, height, width, 3)


def serve() -> None:
    """What the process does: reads requests, one a line, and answers each."""
    import cv2

    from tsd_tf.video import opening  # noqa: F401  before the limit, which is of what comes on top

    num_threads = min(_MAX_THREADS, os.cpu_count() or 1)
    cv2.setNumThreads(num_threads)
    keep_freed_memory()
    limit_memory(_MAX_MEMORY)
    channel, memory = map(int, sys.argv[2:])
    shared = mmap.mmap(memory, _SHARED_BYTES)
    with contextlib.suppress(ConnectionError), socket.socket(fileno=channel) as ours:
        pipe = ours.makefile("rwb")
        pipe.write(_READY)
        pipe.flush()
        for line in pipe:
            if not line.strip():  # of a video that is over
                continue
            try:
                kind, message = _END, _answer(json.loads(line), num_threads, pipe, shared)
            except ConnectionError:
                return
            except Exception as error:  # whatever a hostile file brings about is said of that file
                kind, message = _ERROR, (str(error) or type(error).__name__).encode(errors="replace")
            pipe.write(kind + _NUMBERS.pack(len(message), 0) + message)
            pipe.flush()


def _answer(request: dict[str, Any], num_threads: int, pipe: Any, shared: mmap.mmap) -> bytes:
    """Passes the frames of a video on; returns what there is to say at its end."""
    video = _opened(request, num_threads)
    told_at_once = _TOLD_AT_ONCE if request["stall_seconds"] is None else 1  # nobody knows when the next one comes
    slots, taken, told = np.zeros((0, 0, 0, 3), np.uint8), 0, 0.0
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
        # Each time wakes the other process, on cores that decoding wants.
        if count % told_at_once == 0 or time.monotonic() - told > _TOLD_AFTER_SECONDS:
            pipe.flush()
            told = time.monotonic()
    promised = math.nan if video.header_duration is None else video.header_duration
    return _LENGTHS.pack(video.duration, promised) + video.damage.encode(errors="replace")


def _opened(request: dict[str, Any], num_threads: int) -> Any:
    """The file, folder, stream or camera that a request names."""
    from tsd_tf.video.camera import Camera
    from tsd_tf.video.opening import open_video
    from tsd_tf.video.video import Video

    path, square_pixels, stall_seconds = (request[name] for name in ("path", "square_pixels", "stall_seconds"))
    if isinstance(path, int):
        return Camera(path)
    if stall_seconds is not None:
        return Video.live(path, square_pixels, stall_seconds)
    return open_video(
        path, num_threads=num_threads, square_pixels=square_pixels, frame_folder_rate=request["frame_folder_rate"]
    )
