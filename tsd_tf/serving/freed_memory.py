"""Memory that large requests have held, back to the system."""

import asyncio
import contextlib
import ctypes

_SECONDS = 5.0  # between the end of a large request and this, in which there may be others


class FreedMemory:
    """Has the C library give back what is free, some time after it is asked to.

    By itself glibc keeps hundreds of megabytes of what a few large messages took, for as long as the process lives.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def give_back(self) -> None:
        """Does so soon, if it is not about to."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._begin)

    def _begin(self) -> None:
        self._timer = None
        asyncio.get_running_loop().run_in_executor(None, _trim)


def _trim() -> None:
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
