"""Decoding in a process of its own: a video that crashes or hangs the decoder costs only itself."""

import contextlib
import json
import math
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.limits import limit_memory

_HEADER = struct.Struct("<cII")  # (_FRAME, height, width), (_ERROR, number of bytes, 0) or (_END, number of bytes, 0)
_LENGTHS = struct.Struct("<dd")  # at the end: seconds read and promised, not a number for None; then what is damaged
_FRAME, _ERROR, _END = b"F", b"E", b"."
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

    def frames(self, path: str | os.PathLike, **options: Any) -> Iterator[np.ndarray]:
        """Yields what Video.frames yields.

        Args:
            path: the file, or a folder of numbered pictures.
            options: arguments of Video.frames.

        Raises:
            UnreadableVideoError: also if the decoder crashed, or was busy for too long.
        """
        is_over = False
        self._forget()
        request = {"path": os.path.abspath(path), "frame_folder_rate": self._frame_folder_rate, **options}
        try:
            self._send(json.dumps(request).encode() + b"\n")
            while True:
                kind, first, second = _HEADER.unpack(self._read(_HEADER.size))
                contents = self._read(first * second * 3 if kind == _FRAME else first)
                is_over = kind in (_ERROR, _END)
                if kind == _END:
                    self._remember(contents)
                    return
                if kind == _ERROR:
                    raise UnreadableVideoError(contents.decode(errors="replace"))
                yield np.frombuffer(contents, np.uint8).reshape(first, second, 3)
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
            with theirs:
                command = [sys.executable, "-m", __name__, str(theirs.fileno())]
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
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


def _serve(pipe: Any) -> None:
    """What the process does: reads requests, one a line, and answers each."""
    import cv2

    from tsd_tf.video.opening import open_video

    num_threads = min(_MAX_THREADS, os.cpu_count() or 1)
    cv2.setNumThreads(num_threads)
    limit_memory(_MAX_MEMORY)
    for line in pipe:
        request = json.loads(line)
        try:
            path, rate = request.pop("path"), request.pop("frame_folder_rate")
            square_pixels = request.pop("square_pixels", False)
            video = open_video(path, num_threads=num_threads, square_pixels=square_pixels, frame_folder_rate=rate)
            for picture in video.frames(**request):
                pipe.write(_HEADER.pack(_FRAME, *picture.shape[:2]) + picture.tobytes())
                pipe.flush()
        except ConnectionError:
            return
        except Exception as error:  # whatever a hostile file brings about is said of that file
            message = (str(error) or type(error).__name__).encode(errors="replace")
            pipe.write(_HEADER.pack(_ERROR, len(message), 0) + message)
        else:
            promised = math.nan if video.header_duration is None else video.header_duration
            message = _LENGTHS.pack(video.duration, promised) + video.damage.encode(errors="replace")
            pipe.write(_HEADER.pack(_END, len(message), 0) + message)
        pipe.flush()


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError), socket.socket(fileno=int(sys.argv[1])) as ours:
        _serve(ours.makefile("rwb"))
