"""Clips are decoded in processes of their own: a bomb, a crash or a hang costs one of them and one answer."""

import asyncio
import contextlib
import logging
import math
import os
import pickle
import socket
import subprocess
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.gateway import decoding_worker
from tsd_tf.gateway.refusal import Refusal

_LOG = logging.getLogger(__name__)
# Of a clip; encoders make one a picture. The smallest clips come in packets of their own for parameter sets.
_PACKETS_PER_FRAME, _MORE_PACKETS = 3, 8
_START_SECONDS = 60.0
_PAUSE_SECONDS = 1.0  # before a process that did not start is started again
_RETRY_AFTER = 1.0
_ATTEMPTS = 2
_CRASH = "the clips crashed the decoder"


class DecodingPool:
    """Decodes clips from anyone: `async with DecodingPool() as pool: frames = await pool.decode(inputs, shape)`.

    Not with `multiprocessing` or a pool on top of it: their processes answer in pickles, and what comes out of a
    process that reads hostile clips is only as trustworthy as those. Here it is frames or a message.

    Args:
        num_workers: processes; None for one a core.
        seconds: that a request may take; beyond them its process is replaced.
        max_memory: bytes that decoding may take in each process.
        max_clips, max_bytes: of a request.
        max_waiting: requests that wait for a process; further ones are refused.

    Attributes:
        restarts: processes that were lost and replaced.
    """

    def __init__(
        self,
        num_workers: int | None = None,
        *,
        seconds: float = 10.0,
        max_memory: int = 512 << 20,
        max_clips: int = 16,
        max_bytes: int = 16 << 20,
        max_waiting: int = 64,
    ) -> None:
        self.restarts = 0
        self._num_workers = num_workers or os.cpu_count() or 1
        self._seconds, self._max_memory = seconds, max_memory
        self._max_clips, self._max_bytes = max_clips, max_bytes
        self._max_waiting, self._waiting = max_waiting, 0
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "DecodingPool":
        started = await asyncio.gather(*(self._start() for _ in range(self._num_workers)), return_exceptions=True)
        for worker in started:
            if isinstance(worker, _Worker):
                self._in_background(self._keep(worker))
        for error in started:
            if isinstance(error, BaseException):
                await self.__aexit__()
                raise error
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def decode(self, inputs: Mapping[str, np.ndarray], shape: tuple[int, int, int]) -> np.ndarray:
        """The frames of a request to signatures.CODED.

        Args:
            inputs: {name: array}, from anyone.
            shape: (T_s, H, W) of the clips that are expected.

        Returns:
            uint8 RGB (batch, T_s, H, W, 3).

        Raises:
            Refusal: INVALID_ARGUMENT if the clips cannot be decoded within the limits, RESOURCE_EXHAUSTED if too many
                requests wait.
        """
        self._check(inputs, shape)
        if self._waiting >= self._max_waiting:
            message = f"more than {self._max_waiting} requests wait to be decoded"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "decoding_queue", _RETRY_AFTER)
        for _ in range(_ATTEMPTS):
            worker = await self._take()
            with contextlib.suppress(ConnectionError):  # it was lost before it had read the request
                # The process is at it even if nobody waits for the answer any more.
                return await asyncio.shield(self._in_background(self._ask(worker, dict(inputs), shape)))
        raise _bad_clip(_CRASH, "decoding_crash")

    def _check(self, inputs: Mapping[str, np.ndarray], shape: tuple[int, int, int]) -> None:
        """Refusal for what is not to be handed to a process at all; that checks the rest."""
        batch = max((len(array) for array in inputs.values() if array.ndim), default=0)
        if batch > self._max_clips:
            raise _bad_clip(f"expected at most {self._max_clips} clips a request, got {batch}", "too_many_clips")
        strings = [array for array in inputs.values() if array.dtype == object]
        most = _PACKETS_PER_FRAME * shape[0] + _MORE_PACKETS
        if any(array.size > most * max(batch, 1) for array in strings):
            raise _bad_clip(f"expected at most {most} packets a clip", "too_many_packets")
        num_bytes = sum(array.nbytes for array in inputs.values())
        num_bytes += sum(len(string) for array in strings for string in array.flat) + sum(map(len, inputs))
        if num_bytes > self._max_bytes:
            raise _bad_clip(f"expected at most {self._max_bytes} bytes a request, got {num_bytes}", "too_many_bytes")

    async def _take(self) -> "_Worker":
        """Waits for a process that has nothing to do."""
        self._waiting += 1
        try:
            while (worker := await self._idle.get()).is_lost:
                pass
            return worker
        finally:
            self._waiting -= 1

    async def _ask(self, worker: "_Worker", inputs: dict[str, np.ndarray], shape: tuple[int, int, int]) -> np.ndarray:
        """Has a process decode a request, and puts it back where the next one takes it from."""
        num_bytes = inputs[signatures.CODEC].size * math.prod(shape) * 3 if signatures.CODEC in inputs else 0
        try:
            kind, content = await asyncio.wait_for(worker.ask((inputs, shape), num_bytes), self._seconds)
        except asyncio.TimeoutError as error:
            worker.kill()
            raise _bad_clip(f"decoding the clips took more than {self._seconds:g} s", "decoding_time") from error
        except ConnectionError:
            worker.kill()
            raise
        except EOFError as error:
            worker.kill()
            raise _bad_clip(_CRASH, "decoding_crash") from error
        if kind == decoding_worker.MEMORY:  # the process ends itself
            worker.kill()
            megabytes = self._max_memory >> 20
            raise _bad_clip(f"decoding the clips took more than {megabytes} MB of memory", "decoding_memory")
        self._idle.put_nowait(worker)
        if kind == decoding_worker.BAD_CLIP:
            raise _bad_clip(bytes(content).decode(errors="replace"), "bad_clip")
        return content.reshape(-1, *shape, 3)

    async def _start(self) -> "_Worker":
        worker = _Worker()
        try:
            await asyncio.wait_for(worker.start(self._seconds, self._max_memory), _START_SECONDS)
        except BaseException:
            worker.kill()
            await worker.wait()
            raise
        self._idle.put_nowait(worker)
        return worker

    async def _keep(self, worker: "_Worker") -> None:
        """Puts another process in the place of one that has ended, as long as the pool exists."""
        try:
            while True:
                code = await worker.wait()
                self.restarts += 1
                _LOG.warning("a process that decodes clips was lost (exit code %s); starting another one", code)
                worker = await self._restart()
        finally:
            worker.kill()
            await worker.wait()

    async def _restart(self) -> "_Worker":
        while True:
            try:
                return await self._start()
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                _LOG.error("a process that decodes clips did not start: %r", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _in_background(self, coroutine: Any) -> asyncio.Task:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # else asyncio complains if nobody waits for it any more


class _Worker:
    """A process that decodes, and the socket to it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._socket, self._theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._in_use = asyncio.Lock()
        self.is_lost = False

    async def start(self, seconds: float, max_memory: int) -> None:
        """Returns when the process is ready."""
        with self._theirs:
            channel = self._theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                # It ends itself later than it is ended, which counts only if this process is gone.
                *decoding_worker.command(channel, seconds + 1.0, max_memory),
                pass_fds=(channel,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        async with self._in_use:
            await self._receive(decoding_worker.ANSWER.size)

    async def ask(self, request: Any, num_bytes: int) -> tuple[bytes, np.ndarray]:
        """Sends a request and returns the kind and the content of its answer.

        Args:
            num_bytes: of the frames that are expected.

        Raises:
            ConnectionError: the process ended before it had read the request.
            EOFError: it ended, or answered something else.
        """
        content = pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)
        async with self._in_use:
            await asyncio.get_running_loop().sock_sendall(
                self._socket, decoding_worker.REQUEST.pack(len(content)) + content
            )
            kind, length = decoding_worker.ANSWER.unpack((await self._receive(decoding_worker.ANSWER.size)).data)
            are_frames = kind == decoding_worker.FRAMES and length == num_bytes
            is_message = kind in decoding_worker.MESSAGES and length <= decoding_worker.LONGEST_MESSAGE
            if not are_frames and not is_message:
                raise EOFError(f"an answer of kind {kind} with {length} bytes")
            return kind, await self._receive(length)

    async def wait(self) -> int | None:
        """Returns the exit code once the process has ended; None if there was none."""
        code = await self._process.wait() if self._process else None
        self.is_lost = True
        async with self._in_use:  # whoever still reads has found its end
            self._socket.close()
        return code

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        self.is_lost = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _receive(self, count: int) -> np.ndarray:
        content = np.empty(count, np.uint8)
        view, loop = content.data, asyncio.get_running_loop()
        while view:
            received = await loop.sock_recv_into(self._socket, view)
            if not received:
                raise EOFError("the process has ended")
            view = view[received:]
        return content


def _bad_clip(message: str, reason: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, reason)
