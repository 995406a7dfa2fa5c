"""Where every call of gRPC comes in, whatever its service."""

import inspect
from collections.abc import Awaitable, Callable, Container
from typing import Any

import grpc

from tsd_tf.serving import grpc_calls, grpc_message
from tsd_tf.serving.arrivals import Arrival, Arrivals
from tsd_tf.serving.connections import Connections
from tsd_tf.serving.grpc_connections import GrpcConnections
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal


class GrpcIntake(grpc.aio.ServerInterceptor):
    """Reads the message of a call itself, so that it is known who asks before it is waited for, and how long.

    Calls that are streams are as requests that still arrive: beyond the bounds they give way.

    Args:
        arrivals: where calls are entered.
        connections: those of the server.
        limits: of messages and times.
        count: is told of each refusal.
        skipped: methods whose handlers enter their calls themselves.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        connections: Connections,
        limits: IntakeLimits,
        count: Callable[[Refusal], None],
        skipped: Container[str] = (),
    ) -> None:
        self._arrivals, self._connections, self._limits, self._count = arrivals, connections, limits, count
        self._skipped = skipped
        self._sockets: GrpcConnections | None = None

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or details.method in self._skipped:
            return handler

        async def answer(requests: Any, context: Any) -> Any:
            try:
                with self._arrivals.request(Peer.of_grpc(context.peer()), self._connections) as arrival:
                    return await self._answer(details.method, handler, requests, context, arrival)
            except Refusal as refusal:
                self._count(refusal)
                await grpc_calls.end(context, refusal)

        # Of a stream even where there is one message: so that it is read here.
        deserializer = handler.request_deserializer if handler.request_streaming else None
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(answer, deserializer, handler.response_serializer)
        return grpc.stream_unary_rpc_method_handler(answer, deserializer, handler.response_serializer)

    async def _answer(self, method: str, handler: Any, requests: Any, context: Any, arrival: Arrival) -> Any:
        if handler.request_streaming:  # it reads for itself
            work = handler.stream_stream if handler.response_streaming else handler.stream_unary
            return await arrival.receive(_result(work(requests, context), context), None)
        content = await self.receive(context, arrival)
        request = await grpc_message.parse(method, content, handler.request_deserializer or bytes)
        if handler.response_streaming:
            return await arrival.receive(_result(handler.unary_stream(request, context), context), None)
        arrival.whole()
        return await _result(handler.unary_unary(request, context), context)

    async def watch(self, port: int) -> None:
        """Keeps an eye on the server's connections to a port, until it is cancelled."""
        self._sockets = GrpcConnections(port, self._connections, self._arrivals)
        await self._sockets.watch()

    async def receive(self, context: Any, arrival: Arrival) -> bytes:
        """The one message of a call; see grpc_message.receive."""
        if self._sockets is None:
            return await grpc_message.receive(context, arrival, self._limits)
        with self._sockets.reading(arrival.peer) as received:
            content = await grpc_message.receive(context, arrival, self._limits)
            received(len(content))
            return content


async def _result(answer: Any, context: Any) -> Any:
    """What a method returns, after what it yields is written."""
    if hasattr(answer, "__aiter__"):
        async for part in answer:
            await context.write(part)
        return None
    return await answer if inspect.isawaitable(answer) else answer
