"""gRPC's own reflection, by which grpcurl and the like learn what a server can be asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tsd_tf.serving import grpc_calls
from tsd_tf.serving.descriptors import descriptors
from tsd_tf.serving.serving_error import ServingError, invalid_argument

_METHOD = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
_SECONDS = 10.0  # after which a client that asks no more has to come again
_Guard = Callable[[grpc.aio.ServicerContext, str], contextlib.AbstractContextManager]


class Reflection(grpc.GenericRpcHandler):
    """Answers grpc.reflection.v1alpha.ServerReflection.

    Args:
        services: names of the server's services; health and this one are added.
        guard: with a call's context and method, goes around its answering; raises a ServingError if its client may not
            ask. None for nothing.
    """

    def __init__(self, services: tuple[str, ...], guard: _Guard | None = None) -> None:
        self._servicer = reflection.aio.ReflectionServicer(
            (*services, health.SERVICE_NAME, reflection.SERVICE_NAME), descriptors()
        )
        self._guard = guard
        self._closed = asyncio.Event()
        self._handler = grpc.stream_stream_rpc_method_handler(self._answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handler if handler_call_details.method == _METHOD else None

    def close(self) -> None:
        """Ends the calls under way."""
        self._closed.set()

    async def _answer(self, requests: Any, context: grpc.aio.ServicerContext) -> None:
        try:
            with self._guard(context, _METHOD) if self._guard else contextlib.nullcontext():
                async for response in self._servicer.ServerReflectionInfo(self._requests(context), context):
                    await context.write(response.SerializeToString())
        except ServingError as error:
            await grpc_calls.end(context, error)

    async def _requests(self, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            while True:
                reading = asyncio.ensure_future(grpc_calls.read(context, _SECONDS))
                await asyncio.wait({reading, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    raise ServingError(grpc.StatusCode.UNAVAILABLE, "the server stops")
                content = await reading
                if content is None:
                    return
                yield reflection_pb2.ServerReflectionRequest.FromString(content)
        except DecodeError as error:
            raise invalid_argument("no ServerReflectionRequest") from error
        finally:
            closed.cancel()
