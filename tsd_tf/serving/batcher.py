"""Dynamic batching: requests that wait together become one call of the model."""

import asyncio
import collections
import concurrent.futures
import time
from collections.abc import Callable, Sequence

import grpc
import numpy as np

from tsd_tf.serving import metrics as names
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.refusal import Refusal

_RETRY_AFTER = 1.0  # seconds
_Arrays = dict[str, np.ndarray]  # by name
_Function = Callable[[_Arrays], _Arrays]


class _Task:
    def __init__(self, inputs: _Arrays, size: int, future: asyncio.Future) -> None:
        self.inputs, self.size, self.future, self.since = inputs, size, future, time.monotonic()


class Batcher:
    """Runs calls of models in threads and joins those of the same function and shape.

    A call starts at once if a thread is free. While all are busy, requests gather, and the next call takes them all.
    When a joint call fails, each of its requests is run alone, so that none fails for another's broken picture.

    Args:
        limits: of batches, queue and threads.
        metrics: where batches and waiting times are counted.

    Attributes:
        num_waiting: clips that wait.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        # By key; the key that has waited longest comes first.
        self._waiting: collections.OrderedDict[tuple, collections.deque[_Task]] = collections.OrderedDict()
        self.num_waiting = 0
        self._num_running = 0
        self._threads = concurrent.futures.ThreadPoolExecutor(limits.num_batch_threads, "batch")

    async def run(self, function: _Function, inputs: _Arrays, size: int) -> _Arrays:
        """Calls `function({name: array})` for these inputs, perhaps joined with others along the first axis.

        Args:
            function: hashable; calls of equal functions are joined. Its answers have the same first axis as its inputs.
            inputs: {name: array}.
            size: clips of the request.

        Returns:
            {name: array}: this request's part of the answer.

        Raises:
            Refusal: RESOURCE_EXHAUSTED beyond the limits.
            Exception: whatever the function raised.
        """
        if size > self._limits.max_batch_size:
            raise Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"Task size {size} is larger than maximum input batch size {self._limits.max_batch_size}",
                "batch_size",
            )
        if self.num_waiting + size > self._limits.max_queue:
            raise Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "The batch scheduling queue to which this task was submitted is full",
                "queue",
                _RETRY_AFTER,
            )
        key = (function, tuple((name, inputs[name].shape[1:]) for name in sorted(inputs)))
        task = _Task(inputs, size, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, collections.deque()).append(task)
        self.num_waiting += size
        self._start_calls()
        if not task.future.done() and self._limits.batch_timeout:
            asyncio.get_running_loop().call_later(self._limits.batch_timeout, self._start_calls)
        try:
            return await task.future
        finally:
            # If the client hung up or ran out of time while the task waited.
            if task in self._waiting.get(key, ()):
                self._waiting[key].remove(task)
                self.num_waiting -= task.size

    def close(self) -> None:
        """Ends the threads when the calls that run are over, without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start_calls(self) -> None:
        for key in list(self._waiting):
            if self._num_running >= self._limits.num_batch_threads:
                return
            tasks = self._take(key)
            if tasks:
                self._num_running += 1
                asyncio.get_running_loop().create_task(self._call(key[0], tasks))

    def _take(self, key: tuple) -> list[_Task]:
        waiting = self._waiting[key]
        full = sum(task.size for task in waiting) >= self._limits.max_batch_size
        # The timer sometimes fires a little early.
        if waiting and not full and time.monotonic() - waiting[0].since < self._limits.batch_timeout - 1e-3:
            return []
        tasks, size = [], 0
        while waiting and size + waiting[0].size <= self._limits.max_batch_size:
            task = waiting.popleft()
            self.num_waiting -= task.size
            size += task.size
            tasks.append(task)
        # Tasks that still wait go to the end of the line, so that every function has its turn.
        del self._waiting[key]
        if waiting:
            self._waiting[key] = waiting
        return tasks

    async def _call(self, function: _Function, tasks: Sequence[_Task]) -> None:
        now = time.monotonic()
        for task in tasks:
            self._metrics.observe(names.QUEUING_LATENCY, (now - task.since) * 1e6)
        self._metrics.observe(names.BATCH_SIZE, sum(task.size for task in tasks))
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._threads, _run_together, function, [task.inputs for task in tasks]
            )
            for task, answer in zip(tasks, answers, strict=True):
                if task.future.done():
                    continue
                if isinstance(answer, Exception):
                    task.future.set_exception(answer)
                else:
                    task.future.set_result(answer)
        finally:
            self._num_running -= 1
            self._start_calls()


def _run_together(function: _Function, requests: Sequence[_Arrays]) -> list[_Arrays | Exception]:
    """An answer or an exception for each request."""
    if len(requests) == 1:
        return [_run_alone(function, requests[0])]
    joined = {name: np.concatenate([inputs[name] for inputs in requests]) for name in requests[0]}
    answer = _run_alone(function, joined)
    if isinstance(answer, Exception):
        return [_run_alone(function, inputs) for inputs in requests]
    ends = np.cumsum([len(next(iter(inputs.values()))) for inputs in requests])[:-1]
    parts = {name: np.split(array, ends) for name, array in answer.items()}
    return [{name: split[index] for name, split in parts.items()} for index in range(len(requests))]


def _run_alone(function: _Function, inputs: _Arrays) -> _Arrays | Exception:
    try:
        return function(inputs)
    except Exception as error:
        return error
