"""What a WorkerProcess does: takes one request after the other, until its parent is gone."""

import json
import os
import pickle
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from tsd_tf.video.limits import limit_memory

READY, RESULT, REFUSED, MEMORY = b"R", b"F", b"B", b"M"
MESSAGES = (REFUSED, MEMORY)
ANSWER = struct.Struct("<cQ")  # its kind, and the number of bytes that follow: a result, or a message
LONGEST_MESSAGE = 1 << 12  # bytes
REQUEST = struct.Struct("<Q")  # the number of bytes that follow: a pickle, from the parent alone


def command(module: str, channel: int, seconds: float, max_memory: int) -> list[str]:
    """The command that starts the process.

    Args:
        module: whose `main()` calls `work`.
        channel: descriptor of a socket, which the process inherits.
        seconds: after which it ends itself if it is still at the same request.
        max_memory: bytes that a request may take.
    """
    # Not `-m`, which looks in the current folder first: the same modules as here.
    program = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); import {module} as it; it.main()"
    return [sys.executable, "-c", program, json.dumps(sys.path), str(channel), str(seconds), str(max_memory)]


def work(answer: Callable[[Any], memoryview], niceness: int = 0) -> None:
    """Answers requests with what `answer` makes of them, or with its exception's message.

    Args:
        answer: what it needs is imported already: the memory that a request may take comes on top of that.
        niceness: how far others' work goes first, 0 to 19.
    """
    channel, seconds, max_memory = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash for the asking is no file for the asking
    if niceness and hasattr(os, "sched_setscheduler"):  # niceness means nothing to a server in real time
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(niceness)
    limit_memory(max_memory)
    with socket.socket(fileno=channel) as ours, ours.makefile("rb") as requests:
        try:
            ours.sendall(ANSWER.pack(READY, 0))
            while header := requests.read(REQUEST.size):
                request = pickle.loads(requests.read(*REQUEST.unpack(header)))
                # Its default action ends the process, whatever that is doing, and even if the parent is gone.
                signal.setitimer(signal.ITIMER_REAL, seconds)
                try:
                    kind, content = RESULT, answer(request)
                except Exception as error:  # whatever a hostile request brings about is said of that request
                    out_of_memory = isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError)
                    kind = MEMORY if out_of_memory else REFUSED
                    message = str(error) or type(error).__name__
                    content = memoryview(message.encode(errors="replace")[:LONGEST_MESSAGE])
                signal.setitimer(signal.ITIMER_REAL, 0)
                ours.sendall(ANSWER.pack(kind, len(content)))
                ours.sendall(content)
                if kind == MEMORY:  # what is left of it is no place for the next request
                    return
                del request, content
        except (ConnectionError, EOFError, pickle.UnpicklingError):  # the parent is gone
            return
