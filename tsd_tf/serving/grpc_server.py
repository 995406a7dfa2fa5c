"""A server of gRPC that ends when it is told to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from tsd_tf.serving.grpc_intake import GrpcIntake
from tsd_tf.serving.health import Health
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.listen_address import ListenAddress
from tsd_tf.serving.reflection import Reflection

_SETTLING_SECONDS = 0.1  # in which calls reach their handlers that have reached the machine; gRPC would cancel them
_FLUSH_SECONDS = 0.5  # in which the last answers leave the process


class GrpcServer:
    """grpc.aio's server with health and reflection.

    Args:
        address: where it listens.
        health: its owner says there when requests are taken.
        reflection: of its services.
        intake: where calls come in.
        limits: of calls, and the seconds that a stop gives to those under way.
        options: of grpc.aio.server.

    Attributes:
        server: grpc.aio's, to which its owner adds services.
    """

    def __init__(
        self,
        address: ListenAddress,
        health: Health,
        reflection: Reflection,
        intake: GrpcIntake,
        limits: IntakeLimits,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._address, self._health, self._reflection = address, health, reflection
        self._intake, self._grace = intake, limits.shutdown_grace
        self._watching: asyncio.Task | None = None
        self._calls = _Calls()
        self.server = grpc.aio.server(
            interceptors=[self._calls, intake],
            options=options,
            # Those that arrive, those that are answered, and those that are being told to give way.
            maximum_concurrent_rpcs=3 * limits.max_concurrent_requests + health.max_watches,
        )
        self.server.add_generic_rpc_handlers([health, reflection])

    async def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        """Takes calls.

        Args:
            credentials: None for no TLS.

        Raises:
            UserError: the address cannot be bound.
        """
        self._address.bind_grpc(self.server, credentials)
        await self.server.start()
        if not self._address.is_file:
            self._watching = asyncio.create_task(self._intake.watch(self._address.port))

    async def stop(self) -> None:
        """Takes no more calls; returns when those under way are answered, within the grace."""
        if self._watching is not None:
            self._watching.cancel()
        self._health.close()
        self._reflection.close()
        settling = min(_SETTLING_SECONDS, self._grace / 10)
        await asyncio.sleep(settling)
        seconds = self._grace - settling
        cut = max(seconds - 2 * _FLUSH_SECONDS, seconds / 2)  # who is not answered by then is told so
        # It waits for all connections to end, those that have never said a word included: for many seconds.
        stopping = asyncio.ensure_future(self.server.stop(cut))
        answered = asyncio.ensure_future(self._calls.ended())
        await asyncio.wait({stopping, answered}, timeout=seconds - _FLUSH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({stopping}, timeout=min(_FLUSH_SECONDS, seconds))
        if not stopping.done():
            grpc.aio.init_grpc_aio()  # else whoever drops the last server waits for those connections after all
        for task in (stopping, answered):
            task.cancel()
        await asyncio.gather(stopping, answered, return_exceptions=True)


class _Calls(grpc.aio.ServerInterceptor):
    """The calls that are not over."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        task = asyncio.current_task()  # of the whole call, until its status is sent
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await continuation(handler_call_details)

    async def ended(self) -> None:
        """Returns when there is none."""
        while self._tasks:
            await asyncio.wait(self._tasks)
