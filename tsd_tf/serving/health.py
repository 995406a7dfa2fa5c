"""gRPC's own health service."""

import asyncio
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

from tsd_tf.serving import grpc_calls
from tsd_tf.serving.serving_error import ServingError, invalid_argument

_SECONDS = 10.0  # that a request may take to arrive
_Status = health_pb2.HealthCheckResponse


class Health(grpc.GenericRpcHandler):
    """Answers grpc.health.v1.Health: NOT_SERVING until it is told otherwise.

    Not grpcio-health-checking's servicer: there one who stops watching takes the others' news along, one who does not
    read holds up the server's end, and their number has no bound.

    Args:
        services: names of the server's services; they and the server as a whole ("") have one status.
        max_watches: calls of Watch at the same time; beyond them RESOURCE_EXHAUSTED.
    """

    def __init__(self, services: tuple[str, ...], max_watches: int = 100) -> None:
        self.max_watches, self._watches = max_watches, 0
        self._services = ("", *services)
        self._is_serving = self._is_closed = False
        self._changed = asyncio.Event()
        # Of unary requests, but as streams: so that it is known how long a message is waited for.
        self._handlers = {
            f"/{health.SERVICE_NAME}/Check": grpc.stream_unary_rpc_method_handler(self._check),
            f"/{health.SERVICE_NAME}/Watch": grpc.stream_stream_rpc_method_handler(self._watch),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method)

    def set(self, is_serving: bool) -> None:
        """Whether the server takes requests; whoever watches is told of the change."""
        if not self._is_closed and is_serving != self._is_serving:
            self._is_serving = is_serving
            self._tell()

    def close(self) -> None:
        """NOT_SERVING for good; watches end when they have said so."""
        self._is_serving, self._is_closed = False, True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _status(self, service: str) -> int:
        if service not in self._services:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if self._is_serving else _Status.NOT_SERVING

    async def _check(self, requests: Any, context: grpc.aio.ServicerContext) -> bytes:
        try:
            service = await _service(context)
            if service not in self._services:
                raise ServingError(grpc.StatusCode.NOT_FOUND, f"no service {service}")
        except ServingError as error:
            await grpc_calls.end(context, error)
        return _Status(status=self._status(service)).SerializeToString()

    async def _watch(self, requests: Any, context: grpc.aio.ServicerContext) -> None:
        self._watches += 1
        try:
            if self._watches > self.max_watches:
                message = f"more than {self.max_watches} watches at the same time"
                raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
            service, told = await _service(context), None
            while True:
                changed, status = self._changed, self._status(service)
                if status != told:
                    await context.write(_Status(status=status).SerializeToString())
                    told = status
                if self._is_closed and self._status(service) == told:
                    raise ServingError(grpc.StatusCode.UNAVAILABLE, "the server stops")
                await changed.wait()
        except ServingError as error:
            await grpc_calls.end(context, error)
        finally:
            self._watches -= 1


async def _service(context: grpc.aio.ServicerContext) -> str:
    try:
        return health_pb2.HealthCheckRequest.FromString(await grpc_calls.read(context, _SECONDS) or b"").service
    except DecodeError as error:
        raise invalid_argument("no HealthCheckRequest") from error
