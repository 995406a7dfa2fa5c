"""Servers in a thread of this process, for tests and benchmarks."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol


class _Service(Protocol):
    async def serve(self, started: Callable[[], None], stop: asyncio.Event) -> None: ...


class Background:
    """Runs a service on an event loop of its own: `with Background(service):`.

    Args:
        service: its `serve(started, stop)` calls `started` when it takes requests, and returns some time after `stop`
            is set.
    """

    def __init__(self, service: _Service) -> None:
        self._service = service
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._service.serve(self._ready.set, self._stop)

    def __enter__(self) -> Any:
        self._thread.start()
        self._ready.wait()
        if self._error:
            raise self._error
        return self

    def stop(self) -> None:
        """Begins to stop: takes no new requests, and answers those under way."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._thread.join()
