"""The embedded server: gRPC and REST on one event loop."""

import asyncio
import concurrent.futures
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.engines import choice
from tsd_tf.serving.background import Background
from tsd_tf.serving.batcher import Batcher
from tsd_tf.serving.grpc_server import GrpcServer
from tsd_tf.serving.grpc_services import SERVICES, add_services
from tsd_tf.serving.health import Health
from tsd_tf.serving.http_server import HttpServer
from tsd_tf.serving.json_reader import JsonReader
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.listen_address import ListenAddress
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.model_store import ModelStore
from tsd_tf.serving.predictor import Predictor
from tsd_tf.serving.reflection import Reflection
from tsd_tf.serving.refusal_log import RefusalLog
from tsd_tf.serving.rest import application
from tsd_tf.serving.server_intake import ServerIntake

_LOG = logging.getLogger(__name__)


class Server:
    """Serves one model folder until it is stopped.

    Args:
        model_dir: folder with one SavedModel a version.
        model_name: its name in requests.
        host: address to listen on; see ListenAddress.
        port, rest_port: of gRPC and REST; 0 for a free one. No REST if `rest_port` is None.
        labels: {label: version} of versions that are served beside the newest.
        limits: None for the defaults.
        poll_seconds: how often to look for a new version; None for never.
        engine, precision: what runs the model; see tsd_tf.engines.choice.load.

    Raises:
        UserError: `host` is empty.
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
        engine: str = "tensorflow",
        precision: str = "float32",
    ) -> None:
        choice.check(engine, precision)
        self._grpc_address = ListenAddress(host, port, "grpc")
        self._rest_address = None if rest_port is None else ListenAddress(host, rest_port, "rest")
        self._limits = limits or Limits()
        self._store = ModelStore(model_name, model_dir, labels, engine, precision)
        self._poll_seconds = poll_seconds

    @property
    def address(self) -> str:
        """Where gRPC is, for a client of this machine: "host:port" or "unix:/path"."""
        return str(self._grpc_address)

    @property
    def url(self) -> str:
        """Where REST is: "http://host:port" or "unix:/path"; "" if there is none."""
        return self._rest_address.url("http") if self._rest_address else ""

    async def serve(self, started: Callable[[], None], stop: asyncio.Event) -> None:
        """Loads the model and serves it; after `stop` is set, returns once all requests are answered.

        It answers from the beginning: that it is not healthy while the model is loaded.

        Args:
            started: called when requests are taken.
            stop: ends the serving.

        Raises:
            UserError: there is no model, or a port cannot be bound.
        """
        limits, metrics = self._limits, Metrics()
        batcher = Batcher(limits, metrics)
        predictor = Predictor(self._store, batcher, metrics)
        reader, intake = JsonReader(limits), ServerIntake(limits, metrics)
        metrics.watch("json_waiting", "Large bodies of JSON that wait to be read", lambda: reader.num_waiting)
        metrics.watch("clips_waiting", "Clips that wait for the model", lambda: batcher.num_waiting)
        health = Health(SERVICES)
        server = GrpcServer(
            self._grpc_address,
            health,
            Reflection(SERVICES),
            intake.grpc,
            limits,
            intake.grpc_options,
        )
        add_services(server.server, predictor, metrics)
        servers: list[GrpcServer | HttpServer] = [server]
        # One thread, which nobody waits for: what it does may take long.
        loader = concurrent.futures.ThreadPoolExecutor(1, "load")
        try:
            await server.start()
            if self._rest_address is not None:
                app = application(predictor, reader, metrics, limits, intake.arrivals, intake.http_connections)
                rest = HttpServer(self._rest_address, app, limits, intake.http_connections, intake.http_ended)
                servers.append(rest)
                await rest.start()
            stopping = asyncio.ensure_future(stop.wait())
            loading = asyncio.get_running_loop().run_in_executor(loader, self._store.load)
            either: set[asyncio.Future] = {stopping, loading}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                await loading
                health.set(True)
                started()
                async with RefusalLog(metrics.refusals):
                    polling = asyncio.ensure_future(self._poll(loader))
                    await stopping
                    polling.cancel()
        finally:
            await asyncio.gather(*(each.stop() for each in servers))
            loader.shutdown(wait=False, cancel_futures=True)
            batcher.close()
            await reader.close()

    async def _poll(self, loader: concurrent.futures.Executor) -> None:
        while self._poll_seconds:
            await asyncio.sleep(self._poll_seconds)
            try:
                await asyncio.get_running_loop().run_in_executor(loader, self._store.refresh)
            except Exception:
                _LOG.exception("looking for new versions failed", extra={"event": "poll_failed"})


class BackgroundServer(Background):
    """A Server in a thread of this process, for tests and benchmarks: `with BackgroundServer(...) as server:`.

    Args:
        *args, **kwargs: see Server; free ports are taken unless they are given.

    Attributes:
        address, url: see Server.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._server = Server(*args, **{"port": 0, "rest_port": 0, **kwargs})
        super().__init__(self._server)

    def __enter__(self) -> "BackgroundServer":
        super().__enter__()
        self.address, self.url = self._server.address, self._server.url
        return self
