"""The servers behind the gateway, as one."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc

from tsd_tf.gateway.backend import Backend
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.rest_answer import RestAnswer
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class Backends:
    """Asks the healthy server with the fewest requests under way: `async with Backends(...) as backends:`.

    Every request is a pure function of its inputs. So one that finds its server gone is sent to another one. One that
    takes too long is not: it would take as long there.

    Args:
        addresses: of the servers, at least one.
        model_name: the model that makes a server healthy.
        health_seconds: between two looks at each server, and what a look may take.
        credentials: of gRPC; None for none.

    Attributes:
        on_change: called when a server becomes healthy or stops being so.
    """

    def __init__(
        self,
        addresses: Sequence[BackendAddress],
        model_name: str,
        health_seconds: float,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._backends = [Backend(address, credentials) for address in addresses]
        self._model_name, self._health_seconds = model_name, health_seconds
        self._stack = contextlib.AsyncExitStack()
        self.on_change: Callable[[], None] = lambda: None

    @property
    def num_healthy(self) -> int:
        """How many servers have the model available."""
        return sum(backend.is_healthy for backend in self._backends)

    async def __aenter__(self) -> "Backends":
        for backend in self._backends:
            await self._stack.enter_async_context(backend)
        await asyncio.gather(*map(self._check, self._backends))
        for backend in self._backends:
            if not backend.is_healthy:
                _tell(backend)
        watches = [asyncio.create_task(self._watch(backend)) for backend in self._backends]
        for watch in watches:
            self._stack.callback(watch.cancel)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def call(self, method: str, request: bytes, timeout: float) -> bytes:
        """A unary gRPC call; see Backend.call.

        Raises:
            ServingError: the server's answer.
            Refusal: UNAVAILABLE: there is no server.
        """
        return await self._ask(lambda backend: backend.call(method, request, timeout))

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float) -> RestAnswer:
        """An HTTP request; see Backend.send.

        Raises:
            ServingError: DEADLINE_EXCEEDED.
            Refusal: UNAVAILABLE: there is no server.
        """
        return await self._ask(lambda backend: backend.send(method, path, body, headers, timeout))

    async def _ask(self, work: Callable[[Backend], Awaitable[_Answer]]) -> _Answer:
        tried: set[Backend] = set()
        while left := [backend for backend in self._backends if backend.is_healthy and backend not in tried]:
            backend = min(left, key=lambda backend: (backend.under_way, random.random()))
            try:
                return await work(backend)
            except ServingError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
                # The text names addresses that are nobody's business outside.
                _LOG.info("the backend %s is unavailable: %s", backend.address, error.message)
                tried.add(backend)
                backend.in_doubt.set()
        raise Refusal(
            grpc.StatusCode.UNAVAILABLE,
            f"none of the {len(self._backends)} servers behind this gateway is available",
            "no_backend",
            self._health_seconds,
        )

    async def _watch(self, backend: Backend) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(backend.in_doubt.wait(), self._health_seconds)
            was_healthy = backend.is_healthy
            await self._check(backend)
            if backend.is_healthy != was_healthy:
                _tell(backend)
                self.on_change()

    async def _check(self, backend: Backend) -> None:
        backend.in_doubt.clear()
        await backend.check(self._model_name, self._health_seconds)


def _tell(backend: Backend) -> None:
    state = "available again" if backend.is_healthy else "unavailable"
    values = {"event": "backend", "backend": str(backend.address), "is_healthy": backend.is_healthy}
    _LOG.warning("the backend %s is %s", backend.address, state, extra=values)
