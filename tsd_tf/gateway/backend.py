"""One server behind the gateway."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import grpc
import yarl
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.rest_answer import RestAnswer
from tsd_tf.serving.serving_error import ServingError

_CONNECT_SECONDS = 5.0
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # One that comes back is noticed by the next look at it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # In spite of its name, what one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", int(_CONNECT_SECONDS * 1000)),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Each has connections of its own, also where two names mean the same server; and one to each address of a name.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.lb_policy_name", "round_robin"),
]


class Backend:
    """A server that speaks TensorFlow Serving's protocol: `async with Backend(address) as backend:`.

    Args:
        address: where it listens.
        credentials: of gRPC; None for none.

    Attributes:
        is_healthy: whether the last look at it found the model available; False before the first.
        under_way: requests that it has not answered yet.
        in_doubt: set by whoever wants it to be looked at at once.
    """

    def __init__(self, address: BackendAddress, credentials: grpc.ChannelCredentials | None = None) -> None:
        self.address = address
        self.is_healthy = False
        self.under_way = 0
        self.in_doubt = asyncio.Event()
        self._credentials = credentials

    async def __aenter__(self) -> "Backend":
        target, path = self.address.target, self.address.rest_socket
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(target, _OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, self._credentials, _OPTIONS)
        connector = aiohttp.TCPConnector(limit=0) if path is None else aiohttp.UnixConnector(path, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, headers={"Accept-Encoding": "identity"}
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._session.close()
        await self._channel.close()

    async def call(self, method: str, request: bytes, timeout: float) -> bytes:
        """A unary gRPC call.

        Args:
            method: "/service/method".
            request: the message.
            timeout: seconds.

        Returns:
            The message that is the answer.

        Raises:
            ServingError: the error that is the answer; UNAVAILABLE also if nobody answers.
        """
        with self._counted():
            return await self._call(method, request, timeout)

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float) -> RestAnswer:
        """An HTTP request.

        Args:
            method: such as "POST".
            path: as it goes on the wire.
            body: may be empty.
            headers: of the request.
            timeout: seconds.

        Raises:
            ServingError: UNAVAILABLE if nobody answers, DEADLINE_EXCEEDED if nobody does in time.
        """
        url = yarl.URL(f"{self.address.url}{path}", encoded=True)
        arguments: dict[str, Any] = {
            "data": body or None,
            "headers": headers,
            "allow_redirects": False,
            "timeout": aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, _CONNECT_SECONDS)),
        }
        with self._counted():
            try:
                try:
                    return await self._send(method, url, arguments)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError):
                    # An idle connection that it closed just now says nothing about the server.
                    return await self._send(method, url, arguments)
            except aiohttp.ConnectionTimeoutError as error:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, str(error)) from error
            except asyncio.TimeoutError as error:
                raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer within {timeout:g} s") from error
            except aiohttp.ClientError as error:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, str(error)) from error

    async def check(self, model_name: str, timeout: float) -> None:
        """Looks whether a version of the model is available, and remembers it in `is_healthy`."""
        request = messages.GetModelStatusRequest()
        request.model_spec.name = model_name
        try:
            content = await self._call(messages.GET_MODEL_STATUS, request.SerializeToString(), timeout)
            status = messages.GetModelStatusResponse.FromString(content)
        except (ServingError, DecodeError):
            self.is_healthy = False
        else:
            self.is_healthy = any(version.state == messages.AVAILABLE for version in status.model_version_status)

    async def _call(self, method: str, request: bytes, timeout: float) -> bytes:
        try:
            return await self._channel.unary_unary(method)(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise ServingError(error.code(), error.details() or "") from error

    async def _send(self, method: str, url: yarl.URL, arguments: dict[str, Any]) -> RestAnswer:
        async with self._session.request(method, url, **arguments) as response:
            content_type = response.headers.get("Content-Type", "application/json")
            return RestAnswer(response.status, content_type, await response.read())

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
