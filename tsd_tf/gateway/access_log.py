"""The access log: a JSON object a line."""

import contextlib
import logging
import sys
from typing import IO, Any

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving import log_lines

_LOG = logging.getLogger(__name__)
_LONGEST_VALUE = 256


class AccessLog(contextlib.AbstractContextManager):
    """Writes a line for each request, and each line at once.

    Args:
        path: the file, to which lines are added; "-" for standard output.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        with contextlib.ExitStack() as stack:
            self._file: IO[str] = sys.stdout
            if path != "-":
                try:
                    self._file = stack.enter_context(open(path, "a", encoding="ascii"))
                except OSError as error:
                    message = f"`access_log` cannot be written: {error.strerror}. Received: access_log={path}"
                    raise UserError(message) from error
            self._stack = stack.pop_all()

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def write(self, record: RequestRecord) -> None:
        """Adds a line."""
        values: dict[str, Any] = {
            "token": record.token,
            "peer": record.peer,
            "protocol": record.protocol,
            "method": record.method[:_LONGEST_VALUE],
            "model": record.model[:_LONGEST_VALUE],
            "signature": record.signature[:_LONGEST_VALUE],
            "codec": record.codec,
            "clips": record.clips,
            "status": record.status,
            "bytes_in": record.bytes_in,
            "decode_ms": _milliseconds(record.decode_seconds),
            "backend_ms": _milliseconds(record.backend_seconds),
            "total_ms": _milliseconds(record.total_seconds),
            "reason": record.reason,
        }
        try:
            self._file.write(log_lines.json_line("request", values) + "\n")
            self._file.flush()
        except OSError as error:  # requests are answered on a full disk, too
            _LOG.error("the access log cannot be written: %s", error.strerror)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
