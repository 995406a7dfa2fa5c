"""Accepts HTTP connections, and bounds how many there are and how long each may take."""

import asyncio
import contextlib
import errno
import functools
import socket
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tsd_tf.serving.connections import Connection, Connections
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.peer import Peer

_ACCEPTED_AT_ONCE = 16  # between two looks at what others send
_BACKLOG = 1024
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 0.1
_MAX_HEAD_BYTES = 64 * 1024
# Of a body that was refused: what is read as if it was wanted, and how long the reading rests after each piece beyond.
_MOST_REFUSED_BYTES, _REFUSED_SECONDS = 1 << 20, 0.05
_HEAD_ENDS = b"\r\n\r\n"


@web.middleware
async def keep_alive(request: web.Request, handler: Callable) -> web.StreamResponse:
    """The middleware, before all others, of an application whose connections come from an HttpListener."""
    response = await handler(request)
    guard = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(guard, _Guard):
        guard.answered(request, response)
    return response


class HttpListener:
    """Hands connections to an aiohttp server.

    Not an asyncio.Server: that one counts nothing before TLS is agreed on, and with no file descriptor left it logs
    hundreds of tracebacks a second (CPython issue 93197).

    Args:
        server: answers the requests.
        connections: where each is entered.
        limits: of times.
        count: is told the reason when a connection is ended: "head", "idle", "reader", "age" or "descriptors".
        context: of TLS; None for none.
    """

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        limits: IntakeLimits,
        count: Callable[[str], None],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._connections, self._limits, self._count = server, connections, limits, count
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._early: set[_Guard] = set()  # those that have said nothing, or not agreed on TLS
        self._tasks: set[asyncio.Task] = set()

    def listen(self, listening: socket.socket) -> None:
        """Accepts connections of a socket that is bound; it is closed by `close`."""
        listening.setblocking(False)
        listening.listen(_BACKLOG)
        self._sockets.append(listening)
        self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Accepts no more; connections that are open go on."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def end_early(self) -> None:
        """Ends the connections that the server does not know of yet, because they have said nothing."""
        for guard in list(self._early):
            guard.close()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                self._count("descriptors")
                self._connections.make_room()
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE_SECONDS, self._accept_again, listening)
                return
            accepted.setblocking(False)
            guard = _Guard(accepted, self._limits, self._count)
            guard.connection = self._connections.open(Peer.of_socket(name), guard.close)
            if guard.connection is None:
                accepted.close()
                continue
            self._early.add(guard)
            # As long as it says nothing it costs next to nothing.
            guard.wait(functools.partial(self._begin, guard), self._forget)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _begin(self, guard: "_Guard") -> None:
        """It says something."""
        task = self._loop.create_task(self._connect(guard))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, guard: "_Guard") -> None:
        def connect() -> asyncio.Protocol:
            guard.protocol = self._server()
            return guard

        try:
            with contextlib.suppress(OSError):  # of TLS, too
                await self._loop.connect_accepted_socket(
                    connect,
                    guard.accepted,
                    ssl=self._context,
                    ssl_handshake_timeout=self._limits.header_seconds if self._context else None,
                )
        finally:
            if not guard.is_connected:
                guard.forget()
            self._early.discard(guard)

    def _forget(self, guard: "_Guard") -> None:
        self._early.discard(guard)
        if guard.connection is not None:
            self._connections.forget(guard.connection)


class _Guard(asyncio.Protocol):
    """Stands before the protocol of one connection and ends it when it takes too long over a head or an answer."""

    def __init__(self, accepted: socket.socket, limits: IntakeLimits, count: Callable[[str], None]) -> None:
        self.accepted, self._limits, self._count = accepted, limits, count
        self.connection: Connection | None = None
        self.protocol: Any = None
        self.is_connected = False
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._is_silent = False
        self._transport: Any = None
        self._in_head, self._head_bytes, self._tail = True, 0, b""
        self._is_refused, self._refused_bytes = False, 0
        self._timing = ""
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, begin: Callable[[], None], forget: Callable[["_Guard"], None]) -> None:
        """Waits until the connection says something.

        Args:
            begin: what is to be called then.
            forget: what is to be called when it has ended.
        """

        def spoken() -> None:
            self._hear()
            begin()

        self._forget = forget
        self._is_silent = True
        self._loop.add_reader(self.accepted.fileno(), spoken)  # a number: what a socket shows of itself takes long
        self._start("head", self._limits.header_seconds)

    def forget(self) -> None:
        """Says that the connection has ended."""
        self._stop()
        self._forget(self)

    def close(self) -> None:
        """Ends the connection, whatever it is at."""
        if self._is_silent:
            self._hear()
            self.accepted.close()
            self.forget()
        elif self._transport is None:  # TLS finds its end by itself
            with contextlib.suppress(OSError):
                self.accepted.shutdown(socket.SHUT_RDWR)
        elif self._transport.get_write_buffer_size() or self._transport.get_extra_info("sslcontext"):
            self._transport.abort()  # not even a goodbye to wait for
        else:
            self._transport.close()

    def _hear(self) -> None:
        self._is_silent = False
        self._loop.remove_reader(self.accepted.fileno())

    def answered(self, request: web.Request, response: web.StreamResponse) -> None:
        """Notes that a request is over, but for its answer, which is about to leave."""
        if self._loop.time() - self._since > self._limits.connection_seconds:
            self._count("age")
            response.force_close()
        if request.content.at_eof():  # what comes now is the head of the next one
            self._in_head, self._head_bytes, self._tail = True, 0, b""
            self._start("idle", self._limits.idle_seconds)
        else:  # a body that nobody wants
            self._is_refused = True

    def connection_made(self, transport: Any) -> None:
        self._transport, self.is_connected = transport, True
        self.protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._look_at_head(data)
        if self._is_refused:
            self._refused_bytes += len(data)
            if self._refused_bytes > _MOST_REFUSED_BYTES:
                # aiohttp would read and parse all of it, as fast as it comes, until it has lingered long enough.
                self._transport.pause_reading()
                self._loop.call_later(_REFUSED_SECONDS, self._read_on)
                return
        self.protocol.data_received(data)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool | None:
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        self.protocol.pause_writing()
        self._start("reader", self._limits.body_seconds)

    def resume_writing(self) -> None:
        self._stop()
        self.protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.forget()
        self.protocol.connection_lost(error)

    def _look_at_head(self, data: bytes) -> None:
        if self._timing != "head":
            self._start("head", self._limits.header_seconds)
        if _HEAD_ENDS in self._tail + data[: len(_HEAD_ENDS)] or _HEAD_ENDS in data:
            self._in_head = False
            self._stop()
            return
        self._tail = (self._tail + data)[1 - len(_HEAD_ENDS) :]
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._end("head")

    def _start(self, reason: str, seconds: float) -> None:
        self._stop()
        self._timing = reason
        self._timer = self._loop.call_later(seconds, self._end, reason)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timing, self._timer = "", None

    def _end(self, reason: str) -> None:
        self._stop()
        self._count(reason)
        self.close()
