"""The process in which a DecodingPool decodes: takes one request after the other, until its parent is gone."""

import json
import pickle
import resource
import signal
import socket
import struct
import sys

READY, FRAMES, BAD_CLIP, MEMORY = b"R", b"F", b"B", b"M"
MESSAGES = (BAD_CLIP, MEMORY)
ANSWER = struct.Struct("<cQ")  # its kind, and the number of bytes that follow: frames, or a message
LONGEST_MESSAGE = 1 << 12  # bytes
REQUEST = struct.Struct("<Q")  # the number of bytes that follow: a pickle, from the parent alone


def command(channel: int, seconds: float, max_memory: int) -> list[str]:
    """The command that starts the process.

    Args:
        channel: descriptor of a socket, which the process inherits.
        seconds: after which it ends itself if it is still at the same request.
        max_memory: bytes that decoding may take.
    """
    # Not `-m`, which looks in the current folder first: the same modules as here.
    program = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); import {__name__} as it; it.main()"
    return [sys.executable, "-c", program, json.dumps(sys.path), str(channel), str(seconds), str(max_memory)]


def main() -> None:
    """What the process does."""
    import cv2

    from tsd_tf.video import codec  # before the limit, which is of what comes on top
    from tsd_tf.video.limits import limit_memory

    channel, seconds, max_memory = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash for the asking is no file for the asking
    cv2.setNumThreads(1)  # there is one process per core
    limit_memory(max_memory)
    with socket.socket(fileno=channel) as ours, ours.makefile("rb") as requests:
        try:
            ours.sendall(ANSWER.pack(READY, 0))
            while header := requests.read(REQUEST.size):
                inputs, shape = pickle.loads(requests.read(*REQUEST.unpack(header)))
                # Its default action ends the process, whatever that is doing, and even if the parent is gone.
                signal.setitimer(signal.ITIMER_REAL, seconds)
                try:
                    kind, content = FRAMES, codec.decode_inputs(inputs, shape).data.cast("B")
                except Exception as error:  # whatever a hostile clip brings about is said of that clip
                    out_of_memory = isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError)
                    kind = MEMORY if out_of_memory else BAD_CLIP
                    message = str(error) or type(error).__name__
                    content = memoryview(message.encode(errors="replace")[:LONGEST_MESSAGE])
                signal.setitimer(signal.ITIMER_REAL, 0)
                ours.sendall(ANSWER.pack(kind, len(content)))
                ours.sendall(content)
                if kind == MEMORY:  # what is left of it is no place for the next clip
                    return
        except (ConnectionError, EOFError, pickle.UnpicklingError):  # the parent is gone
            return
