"""The gateway: gRPC and REST on one event loop, before servers that speak TensorFlow Serving's protocol."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from aiohttp import web

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.gateway import admin
from tsd_tf.gateway.access_log import AccessLog
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.certificates import Certificates
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.decoding_pool import DecodingPool
from tsd_tf.gateway.grpc_front import GrpcFront
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.metrics import Metrics
from tsd_tf.gateway.rest_front import RestFront
from tsd_tf.gateway.tokens import Tokens

_MAX_METADATA_BYTES = 16 * 1024
_LINGERING_SECONDS = 3.0  # in which a client that still sends a body may read why nobody wants it


class Gateway:
    """Answers requests with what its backends say, until it is stopped.

    Args:
        backends: where they listen, at least one.
        model_name: the model that makes a backend healthy.
        host: address to listen on.
        port, rest_port: of gRPC and HTTP; 0 for a free one.
        admin_host, admin_port: of metrics and probes, which need no token.
        limits: None for the defaults.
        tokens: who may ask; None for everybody.
        certificates: for TLS; None for none.
        backend_credentials: for gRPC to the backends; None for none.
        access_log: file of the access log, "-" for standard output; None for none.
        decoding: arguments of DecodingPool.

    Attributes:
        port, rest_port, admin_port: the ports in use, once started.
        address: "host:port" of gRPC.
        url, admin_url: "https://host:port" of REST, "http://host:port" of metrics and probes; without certificates
            both are http.
    """

    def __init__(
        self,
        backends: Sequence[BackendAddress],
        model_name: str = MODEL_NAME,
        *,
        host: str = "127.0.0.1",
        port: int = 8500,
        rest_port: int = 8501,
        admin_host: str = "127.0.0.1",
        admin_port: int = 8502,
        limits: Limits | None = None,
        tokens: Tokens | None = None,
        certificates: Certificates | None = None,
        backend_credentials: grpc.ChannelCredentials | None = None,
        access_log: str | os.PathLike | None = None,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        self.host, self.port, self.rest_port = host, port, rest_port
        self.admin_host, self.admin_port = admin_host, admin_port
        self._backends, self._model_name = backends, model_name
        self._limits = limits or Limits()
        self._tokens, self._certificates = tokens, certificates
        self._backend_credentials = backend_credentials
        self._access_log, self._decoding = access_log, decoding or {}

    @property
    def address(self) -> str:
        return _address(self.host, self.port)

    @property
    def url(self) -> str:
        return f"{'http' if self._certificates is None else 'https'}://{_address(self.host, self.rest_port)}"

    @property
    def admin_url(self) -> str:
        return f"http://{_address(self.admin_host, self.admin_port)}"

    async def serve(self, started: Callable[[], None], stop: asyncio.Event) -> None:
        """Answers requests; after `stop` is set, returns once those under way are answered.

        Args:
            started: called when all ports take requests.
            stop: ends the serving.

        Raises:
            UserError: a port cannot be bound, or the access log cannot be written.
        """
        async with contextlib.AsyncExitStack() as stack:
            log = stack.enter_context(AccessLog(os.fspath(self._access_log))) if self._access_log else None
            metrics = Metrics()
            intake = Intake(self._limits.max_concurrent_requests, metrics, log)
            pool = await stack.enter_async_context(DecodingPool(**self._decoding))
            backends = await stack.enter_async_context(
                Backends(self._backends, self._model_name, self._limits.health_seconds, self._backend_credentials)
            )
            metrics.watch("backends_healthy", "Backends that have the model available", lambda: backends.num_healthy)
            metrics.watch("decoders_restarted", "Processes that decode and were replaced", lambda: pool.restarts)
            if (certificates := self._certificates) is not None:
                metrics.watch(
                    "certificate_expiry_seconds",
                    "When the certificate expires, in seconds since 1970",
                    lambda: certificates.expiry.timestamp(),
                )

            def is_ready() -> bool:
                return backends.num_healthy > 0 and not intake.is_draining

            await self._start_admin(stack, admin.application(metrics, is_ready))
            parts = (backends, CodedClips(backends, pool), intake, self._limits, self._tokens, is_ready)
            server, runner = self._grpc_server(), self._runner(RestFront(*parts).application())
            server.add_generic_rpc_handlers([GrpcFront(*parts)])
            try:
                self._bind(server)
                listener = await self._listen(runner)
                stack.callback(listener.close)
                await server.start()
                started()
                await stop.wait()
                intake.is_draining = True
                await asyncio.sleep(self._limits.drain_seconds)
                listener.close()
            finally:
                await asyncio.gather(server.stop(self._limits.shutdown_grace), runner.cleanup())

    def _grpc_server(self) -> grpc.aio.Server:
        limits = self._limits
        return grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
                ("grpc.max_concurrent_streams", 2 * limits.max_concurrent_requests),
                ("grpc.server_handshake_timeout_ms", int(limits.header_seconds * 1000)),
                ("grpc.so_reuseport", 0),
                # A client that vanished is noticed, and one that wants to be sure of the gateway may ask often.
                ("grpc.max_connection_idle_ms", 300_000),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
            # Those beyond the intake's bound are told when to come back; there is an end to that as well.
            maximum_concurrent_rpcs=2 * limits.max_concurrent_requests,
        )

    def _bind(self, server: grpc.aio.Server) -> None:
        try:
            if self._certificates is None:
                self.port = server.add_insecure_port(self.address)
            else:
                self.port = server.add_secure_port(self.address, self._certificates.server_credentials())
        except RuntimeError as error:
            raise UserError(f"cannot listen on {self.address} (gRPC): {error}") from error

    def _runner(self, app: web.Application) -> web.AppRunner:
        return web.AppRunner(
            app,
            handler_cancellation=True,
            shutdown_timeout=self._limits.shutdown_grace,
            access_log=None,
            # The head of a connection's first request has to be there within the same time.
            keepalive_timeout=self._limits.header_seconds,
            lingering_time=_LINGERING_SECONDS,
        )

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        await runner.setup()
        context = None if self._certificates is None else self._certificates.ssl_context()
        try:
            listener = await asyncio.get_running_loop().create_server(
                _connections(runner.server, self._limits.max_connections),
                self.host,
                self.rest_port,
                ssl=context,
                ssl_handshake_timeout=self._limits.header_seconds if context else None,
            )
        except OSError as error:
            raise UserError(f"cannot listen on {self.url}: {error.strerror}") from error
        self.rest_port = listener.sockets[0].getsockname()[1]
        return listener

    async def _start_admin(self, stack: contextlib.AsyncExitStack, app: web.Application) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.admin_host, self.admin_port).start()
        except OSError as error:
            raise UserError(f"cannot listen on {self.admin_url} (metrics): {error.strerror}") from error
        self.admin_port = runner.addresses[0][1]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connections(server: web.Server | None, max_connections: int) -> Callable[[], asyncio.BaseProtocol]:
    """What makes the protocol of each new connection: beyond `max_connections` one that ends it."""
    if server is None:
        raise RuntimeError("the runner is not set up")

    def connect() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < max_connections else _Closed()

    return connect


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
