"""A server of HTTP that ends when it is told to."""

import asyncio
import ssl
from collections.abc import Callable

from aiohttp import web

from tsd_tf.serving.connections import Connections
from tsd_tf.serving.http_listener import HttpListener
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.listen_address import ListenAddress

_SETTLING_SECONDS = 0.1  # in which requests reach their handlers that have reached the machine
_LINGERING_SECONDS = 3.0  # in which a client that still sends a body may read why nobody wants it
_MAX_HEADERS = 64


class HttpServer:
    """Answers HTTP with an aiohttp application.

    Args:
        address: where it listens.
        app: the application, whose first middleware is `keep_alive`; its handlers are cancelled when their clients
            hang up.
        limits: of times.
        connections: where each is entered.
        count: is told why one is ended.
        grace: seconds that a stop gives to requests under way; None for that of the limits.
    """

    def __init__(
        self,
        address: ListenAddress,
        app: web.Application,
        limits: IntakeLimits,
        connections: Connections,
        count: Callable[[str], None],
        grace: float | None = None,
    ) -> None:
        self._address, self._grace = address, limits.shutdown_grace if grace is None else grace
        self._limits, self._connections, self._count = limits, connections, count
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=self._grace,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=_LINGERING_SECONDS,
            max_headers=_MAX_HEADERS,
        )
        self._listener: HttpListener | None = None
        self._is_closed = False

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """Takes requests.

        Args:
            context: None for no TLS.

        Raises:
            UserError: the address cannot be bound.
        """
        await self._runner.setup()
        sockets = self._address.bind()
        self._listener = HttpListener(self._server(), self._connections, self._limits, self._count, context)
        for bound in sockets:
            self._listener.listen(bound)

    def close(self) -> None:
        """Takes no new connections; those that are there go on."""
        if self._listener is not None and not self._is_closed:
            self._is_closed = True
            self._listener.close()
            self._address.release()

    async def stop(self) -> None:
        """Takes no more requests; returns when those under way are answered, within the grace."""
        self.close()
        settling = min(_SETTLING_SECONDS, self._grace / 10)
        await asyncio.sleep(settling)
        if self._listener is not None:
            self._listener.end_early()
        server = self._runner.server
        ending = asyncio.ensure_future(self._runner.cleanup())
        await asyncio.wait({ending}, timeout=self._grace - settling)
        if not ending.done():  # aiohttp gives those that it cancels as long again
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
            for connection in server.connections if server else []:
                connection.force_close()

    def _server(self) -> web.Server:
        if self._runner.server is None:
            raise RuntimeError("the runner is not set up")
        return self._runner.server
