"""The embedded server: gRPC and REST on one event loop."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from aiohttp import web

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.serving.background import Background
from tsd_tf.serving.batcher import Batcher
from tsd_tf.serving.grpc_services import add_services
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.model_store import ModelStore
from tsd_tf.serving.predictor import Predictor
from tsd_tf.serving.rest import application


class Server:
    """Serves one model folder until it is stopped.

    Args:
        model_dir: folder with one SavedModel a version.
        model_name: its name in requests.
        host: address to listen on.
        port, rest_port: of gRPC and REST; 0 for a free one. No REST if `rest_port` is None.
        labels: {label: version} of versions that are served beside the newest.
        limits: None for the defaults.
        poll_seconds: how often to look for a new version; None for never.

    Attributes:
        port, rest_port: the ports in use, once started.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike,
        model_name: str = MODEL_NAME,
        *,
        host: str = "127.0.0.1",
        port: int = 8500,
        rest_port: int | None = 8501,
        labels: Mapping[str, int] | None = None,
        limits: Limits | None = None,
        poll_seconds: float | None = None,
    ) -> None:
        self.host, self.port, self.rest_port = host, port, rest_port
        self._limits = limits or Limits()
        self._store = ModelStore(model_name, model_dir, labels)
        self._poll_seconds = poll_seconds

    async def serve(self, started: Callable[[], None], stop: asyncio.Event) -> None:
        """Loads the model and serves it; after `stop` is set, returns once all requests are answered.

        Args:
            started: called when both ports take requests.
            stop: ends the serving.

        Raises:
            UserError: there is no model, or a port cannot be bound.
        """
        self._store.load()
        metrics = Metrics()
        batcher = Batcher(self._limits, metrics)
        predictor = Predictor(self._store, batcher, metrics)
        size = self._limits.max_message_bytes
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", size),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=self._limits.max_concurrent_requests,
        )
        health = await add_services(server, predictor, metrics)
        runner = web.AppRunner(
            application(predictor, metrics, self._limits),
            handler_cancellation=True,
            shutdown_timeout=self._limits.shutdown_grace,
            access_log=None,
        )
        poll = None
        try:
            try:
                self.port = server.add_insecure_port(f"{self.host}:{self.port}")
            except RuntimeError as error:
                raise UserError(f"cannot listen on {self.host}:{self.port} (gRPC): {error}") from error
            if self.rest_port is not None:
                await runner.setup()
                await self._listen(runner)
            await server.start()
            if self._poll_seconds:
                poll = asyncio.create_task(self._poll(self._poll_seconds))
            started()
            await stop.wait()
        finally:
            if poll:
                poll.cancel()
            await health.enter_graceful_shutdown()
            await asyncio.gather(server.stop(self._limits.shutdown_grace), runner.cleanup())
            batcher.close()

    async def _listen(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self.host, self.rest_port)
        try:
            await site.start()
        except OSError as error:
            raise UserError(f"cannot listen on {self.host}:{self.rest_port} (REST): {error.strerror}") from error
        self.rest_port = runner.addresses[0][1]

    async def _poll(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self._store.load)


class BackgroundServer(Background):
    """A Server in a thread of this process, for tests and benchmarks: `with BackgroundServer(...) as server:`.

    Args:
        *args, **kwargs: see Server; free ports are taken unless they are given.

    Attributes:
        address: "host:port" of gRPC.
        url: "http://host:port" of REST.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._server = Server(*args, **{"port": 0, "rest_port": 0, **kwargs})
        super().__init__(self._server)

    def __enter__(self) -> "BackgroundServer":
        super().__enter__()
        self.address = f"{self._server.host}:{self._server.port}"
        self.url = f"http://{self._server.host}:{self._server.rest_port}"
        return self
