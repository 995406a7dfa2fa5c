"""Reads bodies of HTTP without holding up anyone else."""

import asyncio
import struct

import grpc

from tsd_tf.serving import json_request, worker
from tsd_tf.serving.input_spec import Signatures
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.json_request import JsonRequest
from tsd_tf.serving.json_worker import unpack
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError, invalid_argument
from tsd_tf.serving.worker_process import WorkerProcess

_WORKER = "tsd_tf.serving.json_worker"
# What takes a thread of this process, which the others wait for meanwhile, some milliseconds.
_FEW_VALUES, _FEW_BYTES = 20_000, 1 << 20
_MAX_WAITING = 16
_RETRY_AFTER = 1.0
_START_SECONDS, _SECONDS = 60.0, 60.0  # that a body may take
# Of Python's objects: an empty list has 56 bytes, an object with one entry 232; and a list points at each.
_BYTES_PER_VALUE = 160
_MORE_BYTES = 256 << 20


class JsonReader:
    """Small bodies are read in a thread; large ones, one after the other, in a process of their own.

    Python's JSON parser lets no other thread run until it is done, which takes seconds for millions of numbers.

    Args:
        limits: of bodies.

    Attributes:
        num_waiting: bodies that wait for the process.
    """

    def __init__(self, limits: IntakeLimits) -> None:
        self._max_memory = _MORE_BYTES + _BYTES_PER_VALUE * limits.max_json_values + 4 * limits.max_message_bytes
        self._worker: WorkerProcess | None = None
        self._turn = asyncio.Lock()
        self.num_waiting = 0
        self._asking: asyncio.Future | None = None

    async def read(self, body: bytes, cost: JsonCost, signatures: Signatures) -> JsonRequest:
        """See json_request.read.

        Args:
            body: of a request.
            cost: has seen all of it.
            signatures: that can be called.

        Raises:
            ServingError: see json_request.read.
            Refusal: RESOURCE_EXHAUSTED: it takes too much memory or time, or too many wait.
        """
        if cost.num_values <= _FEW_VALUES and len(body) <= _FEW_BYTES:
            return await asyncio.to_thread(json_request.read, body, signatures)
        if self.num_waiting >= _MAX_WAITING:
            message = f"more than {_MAX_WAITING} large bodies wait to be read"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "json_queue", _RETRY_AFTER)
        self.num_waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.num_waiting -= 1
        # The process is at it even if nobody waits for the answer any more.
        self._asking = asyncio.ensure_future(self._ask(body, signatures))
        self._asking.add_done_callback(self._ended)
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Ends the process."""
        if self._worker is not None:
            self._worker.kill()
            await self._worker.wait()
            self._worker = None

    async def _ask(self, body: bytes, signatures: Signatures) -> JsonRequest:
        most = len(body) * 8 + (1 << 20)  # "0," as a double, and the header
        try:
            process = await self._running()
            asking = process.ask((body, signatures), lambda length: length <= most)
            kind, content = await asyncio.wait_for(asking, _SECONDS)
            if kind == worker.RESULT:
                return unpack(content.data)
        except asyncio.TimeoutError as error:
            await self.close()
            raise _too_much(f"reading the body took more than {_SECONDS:g} s") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError, struct.error) as error:
            await self.close()
            raise ServingError(grpc.StatusCode.INTERNAL, "the process that reads bodies was lost") from error
        if kind == worker.MEMORY:
            await self.close()
            raise _too_much(f"reading the body took more than {self._max_memory >> 20} MB of memory")
        raise invalid_argument(bytes(content).decode(errors="replace"))

    def _ended(self, asking: asyncio.Future) -> None:
        self._turn.release()
        if not asking.cancelled():
            asking.exception()  # else asyncio complains if nobody waits for it any more

    async def _running(self) -> WorkerProcess:
        if self._worker is None or self._worker.is_lost:
            await self.close()
            self._worker = WorkerProcess()
            await asyncio.wait_for(self._worker.start(_WORKER, _SECONDS, self._max_memory), _START_SECONDS)
        return self._worker


def _too_much(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "json")
