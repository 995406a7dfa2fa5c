"""A gateway in a thread, for tests and benchmarks."""

import asyncio
import threading
from typing import Any

from tsd_tf.gateway.gateway import Gateway


class BackgroundGateway:
    """A Gateway in a thread of this process: `with BackgroundGateway(...) as gateway:`.

    Args:
        *args, **kwargs: see Gateway; free ports are taken unless they are given.

    Attributes:
        address, url, admin_url: see Gateway.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._gateway = Gateway(*args, **{"port": 0, "rest_port": 0, "admin_port": 0, **kwargs})
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
        await self._gateway.serve(self._ready.set, self._stop)

    def __enter__(self) -> "BackgroundGateway":
        self._thread.start()
        self._ready.wait()
        if self._error:
            raise self._error
        self.address, self.url, self.admin_url = self._gateway.address, self._gateway.url, self._gateway.admin_url
        return self

    def stop(self) -> None:
        """Begins to stop."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._thread.join()
