"""The gateway: gRPC and REST on one event loop, before servers that speak TensorFlow Serving's protocol."""

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from aiohttp import web

from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.gateway import admin
from tsd_tf.gateway.access_log import AccessLog
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.certificates import Certificates
from tsd_tf.gateway.clip_shapes import ClipShapes
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.decoding_pool import DecodingPool
from tsd_tf.gateway.grpc_front import METHODS, SERVICES, GrpcFront
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.metrics import Metrics
from tsd_tf.gateway.page_front import PageFront
from tsd_tf.gateway.page_site import PageSite
from tsd_tf.gateway.picture_requests import PictureRequests
from tsd_tf.gateway.rest_front import RestFront
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving.connections import Connections
from tsd_tf.serving.grpc_server import GrpcServer
from tsd_tf.serving.health import Health
from tsd_tf.serving.http_server import HttpServer
from tsd_tf.serving.listen_address import ListenAddress
from tsd_tf.serving.reflection import Reflection
from tsd_tf.serving.refusal_log import RefusalLog
from tsd_tf.serving.server_intake import ServerIntake
from tsd_tf.video.codec import CODECS

_ADMIN_GRACE = 1.0  # seconds
_ADMIN_CONNECTIONS = 32


class Gateway:
    """Answers requests with what its backends say, until it is stopped.

    Args:
        backends: where they listen, at least one.
        model_name: the model that makes a backend healthy.
        host: address to listen on; see ListenAddress.
        port, rest_port: of gRPC and HTTP; 0 for a free one.
        admin_host, admin_port: of metrics and probes, which need no token.
        limits: None for the defaults.
        tokens: who may ask; None for everybody.
        certificates: for TLS; None for none.
        backend_credentials: for gRPC to the backends; None for none.
        access_log: file of the access log, "-" for standard output; None for none.
        decoding: arguments of DecodingPool.
        page: the web page, at /; None for none.

    Attributes:
        address: where gRPC is, for a client of this machine: "host:port" or "unix:/path".
        url, admin_url: "https://host:port" of REST, "http://host:port" of metrics and probes, or "unix:/path"; without
            certificates both are http.

    Raises:
        UserError: `host` or `admin_host` is empty.
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
        page: PageSite | None = None,
    ) -> None:
        self._grpc_address, self._rest_address = (
            ListenAddress(host, port, "grpc"),
            ListenAddress(host, rest_port, "rest"),
        )
        self._admin_address = ListenAddress(admin_host, admin_port, "admin")
        self._backends, self._model_name = backends, model_name
        self._limits = limits or Limits()
        self._tokens, self._certificates = tokens, certificates
        self._backend_credentials = backend_credentials
        self._access_log, self._decoding, self._page = access_log, decoding or {}, page

    @property
    def address(self) -> str:
        return str(self._grpc_address)

    @property
    def url(self) -> str:
        return self._rest_address.url("http" if self._certificates is None else "https")

    @property
    def admin_url(self) -> str:
        return self._admin_address.url("http")

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
            bounds = ServerIntake(self._limits, metrics, METHODS)
            intake = Intake(bounds, metrics, log)
            pool = await stack.enter_async_context(DecodingPool(**self._decoding))
            backends = await stack.enter_async_context(
                Backends(self._backends, self._model_name, self._limits.health_seconds, self._backend_credentials)
            )
            metrics.watch("backends_healthy", "Backends that have the model available", lambda: backends.num_healthy)
            metrics.watch("decoders_restarted", "Processes that decode and were replaced", lambda: pool.restarts)
            metrics.watch("decoding_waiting", "Requests that wait to be decoded", lambda: pool.num_waiting)
            if (certificates := self._certificates) is not None:
                metrics.watch(
                    "certificate_expiry_seconds",
                    "When the certificate expires, in seconds since 1970",
                    lambda: certificates.expiry.timestamp(),
                )

            def is_ready() -> bool:
                return backends.num_healthy > 0 and not intake.is_draining

            admin_server = self._admin_server(admin.application(metrics, is_ready), metrics)
            stack.push_async_callback(admin_server.stop)
            await admin_server.start()
            shapes = ClipShapes(backends)
            coded, pictures = CodedClips(backends, pool, shapes), PictureRequests(shapes)
            parts = (backends, coded, pictures, intake, self._limits, self._tokens)
            front = GrpcFront(*parts, bounds.grpc)
            rest = RestFront(*parts, is_ready).application(self._page_front(backends, intake))
            health = Health(SERVICES)
            server = GrpcServer(
                self._grpc_address,
                health,
                Reflection(SERVICES, front.admitted),
                bounds.grpc,
                self._limits,
                bounds.grpc_options,
            )
            http = HttpServer(self._rest_address, rest, self._limits, bounds.http_connections, bounds.http_ended)
            server.server.add_generic_rpc_handlers([front])
            try:
                await server.start(certificates.server_credentials() if certificates else None)
                await http.start(certificates.ssl_context() if certificates else None)
                backends.on_change = lambda: health.set(is_ready())
                backends.on_change()
                started()
                async with RefusalLog(metrics.refusals):
                    await stop.wait()
                    intake.is_draining = True
                    health.set(False)
                    await asyncio.sleep(self._limits.drain_seconds)
            finally:
                await asyncio.gather(server.stop(), http.stop())

    def _page_front(self, backends: Backends, intake: Intake) -> PageFront | None:
        if self._page is None:
            return None
        settings = {"codecs": CODECS, "token_required": self._tokens is not None}
        return PageFront(self._page, backends, intake, self._model_name, settings)

    def _admin_server(self, app: web.Application, metrics: Metrics) -> HttpServer:
        count = functools.partial(metrics.count_ended, "admin")
        connections = Connections(_ADMIN_CONNECTIONS, _ADMIN_CONNECTIONS, count)
        return HttpServer(self._admin_address, app, self._limits, connections, count, _ADMIN_GRACE)
