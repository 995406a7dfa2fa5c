"""Clips are decoded in processes of their own: a bomb, a crash or a hang costs one of them and one answer."""

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.serving import worker as protocol
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.worker_process import WorkerProcess

_LOG = logging.getLogger(__name__)
# Of a clip; encoders make one a picture. The smallest clips come in packets of their own for parameter sets.
_PACKETS_PER_FRAME, _MORE_PACKETS = 3, 8
_START_SECONDS = 60.0
_PAUSE_SECONDS = 1.0  # before a process that did not start is started again
_RETRY_AFTER = 1.0
_ATTEMPTS = 2
_WORKER = "tsd_tf.gateway.decoding_worker"  # a module that only the process imports
_CRASH = "the clips crashed the decoder"


class DecodingPool:
    """Decodes clips from anyone: `async with DecodingPool() as pool: frames = await pool.decode(inputs, shape)`.

    Not in this process: see WorkerProcess.

    Args:
        num_workers: processes; None for one a core.
        seconds: that a request may take; beyond them its process is replaced.
        max_memory: bytes that decoding may take in each process.
        max_clips, max_bytes: of a request.
        max_waiting: requests that wait for a process; further ones are refused.

    Attributes:
        max_clips, max_bytes: see above.
        restarts: processes that were lost and replaced.
        num_waiting: requests that wait for a process.
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
        self.max_clips, self.max_bytes = max_clips, max_bytes
        self._max_waiting, self.num_waiting = max_waiting, 0
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "DecodingPool":
        started = await asyncio.gather(*(self._start() for _ in range(self._num_workers)), return_exceptions=True)
        for worker in started:
            if isinstance(worker, WorkerProcess):
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
        if self.num_waiting >= self._max_waiting:
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
        if batch > self.max_clips:
            raise _bad_clip(f"expected at most {self.max_clips} clips a request, got {batch}", "too_many_clips")
        strings = [array for array in inputs.values() if array.dtype == object]
        most = _PACKETS_PER_FRAME * shape[0] + _MORE_PACKETS
        if any(array.size > most * max(batch, 1) for array in strings):
            raise _bad_clip(f"expected at most {most} packets a clip", "too_many_packets")
        num_bytes = sum(array.nbytes for array in inputs.values())
        num_bytes += sum(len(string) for array in strings for string in array.flat) + sum(map(len, inputs))
        if num_bytes > self.max_bytes:
            raise _bad_clip(f"expected at most {self.max_bytes} bytes a request, got {num_bytes}", "too_many_bytes")

    async def _take(self) -> WorkerProcess:
        """Waits for a process that has nothing to do."""
        self.num_waiting += 1
        try:
            while (worker := await self._idle.get()).is_lost:
                pass
            return worker
        finally:
            self.num_waiting -= 1

    async def _ask(
        self, worker: WorkerProcess, inputs: dict[str, np.ndarray], shape: tuple[int, int, int]
    ) -> np.ndarray:
        """Has a process decode a request, and puts it back where the next one takes it from."""
        num_bytes = inputs[signatures.CODEC].size * math.prod(shape) * 3 if signatures.CODEC in inputs else 0
        try:
            kind, content = await asyncio.wait_for(
                worker.ask((inputs, shape), lambda length: length == num_bytes), self._seconds
            )
        except asyncio.TimeoutError as error:
            worker.kill()
            raise _bad_clip(f"decoding the clips took more than {self._seconds:g} s", "decoding_time") from error
        except ConnectionError:
            worker.kill()
            raise
        except EOFError as error:
            worker.kill()
            raise _bad_clip(_CRASH, "decoding_crash") from error
        if kind == protocol.MEMORY:  # the process ends itself
            worker.kill()
            megabytes = self._max_memory >> 20
            raise _bad_clip(f"decoding the clips took more than {megabytes} MB of memory", "decoding_memory")
        self._idle.put_nowait(worker)
        if kind == protocol.REFUSED:
            raise _bad_clip(bytes(content).decode(errors="replace"), "bad_clip")
        return content.reshape(-1, *shape, 3)

    async def _start(self) -> WorkerProcess:
        worker = WorkerProcess()
        try:
            start = worker.start(_WORKER, self._seconds, self._max_memory)
            await asyncio.wait_for(start, _START_SECONDS)
        except BaseException:
            worker.kill()
            await worker.wait()
            raise
        self._idle.put_nowait(worker)
        return worker

    async def _keep(self, worker: WorkerProcess) -> None:
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

    async def _restart(self) -> WorkerProcess:
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


def _bad_clip(message: str, reason: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, reason)
