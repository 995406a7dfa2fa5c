"""One HTTP request and its answer, in bounded time."""

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from typing import Any, NamedTuple


class HttpAnswer(NamedTuple):
    """What came back.

    Attributes:
        status, reason: of HTTP.
        headers: as http.client has them.
        body: no longer than was to be read.
    """

    status: int
    reason: str
    headers: Any
    body: bytes


class HttpExchange:
    """Sends a request in a thread of its own, which can be left whatever it waits for.

    The timeouts of sockets bound a single byte, those of names nothing: a server that sends a byte a second would be
    waited for all day.

    Args:
        opener: see `build_opener`.
        request: what to send.
        timeout: seconds, to the last byte.
        max_bytes: of the body that are read.
    """

    def __init__(
        self, opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float, max_bytes: int
    ) -> None:
        self._opener, self._request, self._timeout, self._max_bytes = opener, request, timeout, max_bytes
        request.exchange = self  # type: ignore[attr-defined]
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_left = False
        self._socket: socket.socket | None = None
        self._outcome: HttpAnswer | Exception = TimeoutError()

    def run(self) -> HttpAnswer:
        """The answer.

        Raises:
            TimeoutError: it is not complete in time, or `leave` was called.
            OSError, http.client.HTTPException: what urllib raises.
        """
        threading.Thread(target=self._work, name="http", daemon=True).start()
        if not self._is_over.wait(self._timeout):
            self.leave()
        if self._is_left:
            raise TimeoutError("no complete answer in time")
        if isinstance(self._outcome, HttpAnswer):
            return self._outcome
        raise self._outcome

    def leave(self) -> None:
        """Ends the exchange at once."""
        with self._lock:
            self._is_left = True
            self._shut_down()
        self._is_over.set()

    def opened(self, connection: socket.socket) -> None:
        """Is told of every socket that the request goes through."""
        with self._lock:
            self._socket = connection
            if self._is_left:
                self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                # Not SSLSocket's own, which would forget its keys while another thread reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _work(self) -> None:
        try:
            with self._opener.open(self._request, timeout=self._timeout) as response:
                body = response.read(self._max_bytes)
                if response.length and len(body) < self._max_bytes:  # which `read` does not mind
                    raise http.client.IncompleteRead(body, response.length)
                self._outcome = HttpAnswer(response.status, response.reason or "", response.headers, body)
        except Exception as error:
            self._outcome = error
        self._is_over.set()


def build_opener(context: ssl.SSLContext | None, past_proxies: bool) -> urllib.request.OpenerDirector:
    """An opener for HttpExchange: answers come as they are, errors and redirections too.

    Args:
        context: ssl.SSLContext of https; None for http.
        past_proxies: whether to go past all proxies.
    """
    handlers: list[Any] = [_AsItIs(), _HttpHandler()]
    if context is not None:
        handlers.append(_HttpsHandler(context=context))
    if past_proxies:
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """A redirection would be followed with the token, to wherever it leads."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Told:
    """Tells of its sockets: of the one to the proxy as well, and of the one with TLS."""

    def __init__(self, *args: Any, exchange: HttpExchange, **kwargs: Any) -> None:
        self._exchange = exchange
        super().__init__(*args, **kwargs)

    @property
    def sock(self) -> socket.socket | None:
        return self._sock

    @sock.setter
    def sock(self, value: socket.socket | None) -> None:
        self._sock = value
        if value is not None:
            self._exchange.opened(value)


class _HttpConnection(_Told, http.client.HTTPConnection):
    pass


class _HttpsConnection(_Told, http.client.HTTPSConnection):
    pass


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, request: Any) -> Any:
        return self.do_open(_HttpConnection, request, exchange=request.exchange)  # type: ignore[arg-type]


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: Any) -> Any:
        context = self._context  # type: ignore[attr-defined]
        return self.do_open(_HttpsConnection, request, context=context, exchange=request.exchange)  # type: ignore[arg-type]
