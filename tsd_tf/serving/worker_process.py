"""A process that does the work of one request after the other, each from a stranger, and the socket to it."""

import asyncio
import contextlib
import pickle
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np

from tsd_tf.serving import worker


class WorkerProcess:
    """A bomb, a crash or a hang costs this process and one answer.

    Not with `multiprocessing` or a pool on top of it: their processes answer in pickles, and what comes out of a
    process that reads hostile contents is only as trustworthy as those. Here it is bytes of a known number, or a
    message.

    Attributes:
        is_lost: whether it has ended, or is about to.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._socket, self._theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._in_use = asyncio.Lock()
        self.is_lost = False

    async def start(self, module: str, seconds: float, max_memory: int) -> None:
        """Returns when the process is ready.

        Args:
            module: whose `main()` is what it does; see `worker.work`.
            seconds: that its parent gives a request.
            max_memory: bytes that a request may take.

        Raises:
            OSError, EOFError: it does not start.
        """
        with self._theirs:
            channel = self._theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                # It ends itself later than it is ended, which counts only if this process is gone.
                *worker.command(module, channel, seconds + 1.0, max_memory),
                pass_fds=(channel,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        async with self._in_use:
            await self._receive(worker.ANSWER.size)

    async def ask(self, request: Any, is_expected: Callable[[int], bool]) -> tuple[bytes, np.ndarray]:
        """Sends a request and returns the kind and the content of its answer.

        Args:
            request: what can be pickled.
            is_expected: whether a result may have so many bytes.

        Raises:
            ConnectionError: the process ended before it had read the request.
            EOFError: it ended, or answered something else.
        """
        content = pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)
        async with self._in_use:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._socket, worker.REQUEST.pack(len(content)))
            await loop.sock_sendall(self._socket, content)
            kind, length = worker.ANSWER.unpack((await self._receive(worker.ANSWER.size)).data)
            is_result = kind == worker.RESULT and is_expected(length)
            is_message = kind in worker.MESSAGES and length <= worker.LONGEST_MESSAGE
            if not is_result and not is_message:
                raise EOFError(f"an answer of kind {kind} with {length} bytes")
            return kind, await self._receive(length)

    async def wait(self) -> int | None:
        """Returns the exit code once the process has ended; None if there was none."""
        code = await self._process.wait() if self._process else None
        self.is_lost = True
        async with self._in_use:  # whoever still reads has found its end
            self._socket.close()
        return code

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        self.is_lost = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _receive(self, count: int) -> np.ndarray:
        content = np.empty(count, np.uint8)
        view, loop = content.data, asyncio.get_running_loop()
        while view:
            received = await loop.sock_recv_into(self._socket, view)
            if not received:
                raise EOFError("the process has ended")
            view = view[received:]
        return content
