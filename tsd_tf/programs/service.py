"""How the programs start and end that answer requests until they are told to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator

from absl import flags

from tsd_tf.serving import log_lines
from tsd_tf.serving.listen_address import ListenAddress
from tsd_tf.video.limits import keep_freed_memory

HOST_HELP = "address to listen on; 0.0.0.0 or :: for every address, unix:FOLDER for sockets in a folder"

FLAGS = flags.FLAGS
flags.DEFINE_enum("log_format", "text", ["text", "json"], "how the lines of the log are written, on stderr")

_PACKAGE = "tsd_tf"
_KNOWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "event"}
_folders: set[str] = set()  # that are to go with this process


def run(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs a service until SIGTERM or SIGINT, then ends the process with exit code 0; a second signal ends it at once.

    Everything that takes long to import should be there already.

    Args:
        serve: gets an event, and returns some time after it is set.
    """
    _write_log()
    # What is imported stays: looking through TensorFlow's objects for garbage holds all requests up for a quarter of a
    # second, every time.
    gc.freeze()
    keep_freed_memory()  # of one message for the next
    asyncio.run(_run(serve))


def reach(host: str) -> str:
    """What to add to printed addresses, which are those for clients on this machine."""
    return ", on every address of this machine" if ListenAddress(host, 0, "").is_every else ""


async def _run(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()

    def signalled(number: int) -> None:
        if stop.is_set():
            _end(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled, number)
    await serve(stop)
    # What may still run has nobody to answer to: a model that computes or is being loaded, connections half open. An
    # ordinary exit would wait for it.
    _end(0)


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """A folder until the end of the context, or of the program if a second signal ends it before."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        _folders.add(folder)
        try:
            yield folder
        finally:
            _folders.discard(folder)


def _end(code: int) -> None:
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _write_log() -> None:
    """Has what the package says from INFO on, and others from WARNING on, written to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if FLAGS.log_format == "json" else _TextFormatter())
    logging.root.handlers = [handler]
    if not FLAGS["verbosity"].present:
        logging.getLogger(_PACKAGE).setLevel(logging.INFO)


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return log_lines.timestamp(record.created)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = {"level": record.levelname, "message": record.getMessage()}
        values |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return log_lines.json_line(getattr(record, "event", "log"), values, record.created)
