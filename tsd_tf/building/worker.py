"""Decoding in a process of its own: a video that crashes or hangs the decoder costs only its own row."""

import collections
import contextlib
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

from tsd_tf.video.limits import keep_freed_memory, limit_memory

# Bytes. Decoding takes less than half of it, but a record of ten minutes is copied four times while it is made.
_MAX_MEMORY = 2 << 30
_READY = "ready"  # the process has imported what it needs


class Worker:
    """A process that runs one job after the other, and is replaced when it dies.

    A job is a piece.Piece or a part.Part: it has a length, its number of steps, and run(given_up, report). A step that
    takes the process down once may be bad luck (too little memory), so the job starts again; after the second time
    the job is told to give up that step.

    Args:
        hang_seconds: a step that takes longer counts as one that took the process down.

    Attributes:
        job: the current job, or None.
        position: steps of the job that are finished.
        connection: readable when there is news for `poll`.
    """

    def __init__(self, hang_seconds: float) -> None:
        self.job: Any = None
        self.position = 0
        self._hang_seconds = hang_seconds
        self._given_up: dict[int, str] = {}
        self._failures: collections.Counter = collections.Counter()
        self._start()

    def assign(self, job: Any) -> None:
        """Starts a job; the one before must have ended."""
        self._given_up, self._failures = {}, collections.Counter()
        self.job = job
        self._send()

    def poll(self) -> Any:
        """Takes in what the process has reported.

        Returns:
            The job that has ended, or None.

        Raises:
            OSError: the job's files cannot be written.
            RuntimeError: the process dies again and again, which no video causes.
        """
        failure = self._take_news()
        if failure is not None:
            at = self.position
            self._failures[at] += 1
            if self._failures[at] > 2:
                raise RuntimeError(f"a worker process died again and again: {failure}")
            if self._failures[at] == 2:
                self._given_up[at] = failure
            self._start()
            self._send()
        if self.job is None or self.position < len(self.job):
            return None
        job, self.job = self.job, None
        return job

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        # Spawned, not forked: the fork of a process with threads (TensorFlow's, a test runner's) may hang.
        context = multiprocessing.get_context("spawn")
        self.connection, other_end = context.Pipe()
        self._process = context.Process(target=_work, args=(other_end,), daemon=True)
        self._process.start()
        other_end.close()
        self._is_ready = False

    def _send(self) -> None:
        self.position = 0
        self._last_sign = time.monotonic()
        with contextlib.suppress(ConnectionError):  # it has died: the next poll finds out
            self.connection.send((self.job, self._given_up))

    def _take_news(self) -> str | None:
        """Why the step at `position` took the process down; None if it did not."""
        try:
            while self.connection.poll():
                message = self.connection.recv()
                self._last_sign = time.monotonic()
                if isinstance(message, Exception):
                    raise message
                if message == _READY:
                    self._is_ready = True
                else:
                    self.position = message
        except (EOFError, ConnectionResetError):
            self._process.join()
            if not self._is_ready:
                raise RuntimeError(f"a worker process did not start, exit code {self._process.exitcode}") from None
            return f"the decoder crashed (exit code {self._process.exitcode})"
        if self.job is not None and self._is_ready and time.monotonic() - self._last_sign > self._hang_seconds:
            self.kill()
            return f"the decoder was still busy after {self._hang_seconds} s"
        return None


def _work(connection: Connection) -> None:
    """Runs in the process until its parent is gone."""
    import cv2

    keep_freed_memory()
    limit_memory(_MAX_MEMORY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    cv2.setNumThreads(1)  # there is one process per core
    with contextlib.suppress(EOFError, ConnectionError):
        connection.send(_READY)
        while True:
            job, given_up = connection.recv()
            try:
                job.run(given_up, connection.send)
            except ConnectionError:
                raise
            except OSError as error:
                connection.send(error)
            else:
                connection.send(len(job))
