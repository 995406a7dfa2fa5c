"""Where every request comes in and goes out, whatever its protocol."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import grpc

from tsd_tf.gateway.access_log import AccessLog
from tsd_tf.gateway.metrics import Metrics
from tsd_tf.gateway.refusal import Refusal
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving.serving_error import ServingError

_RETRY_AFTER = 1.0


class Intake:
    """Bounds the requests under way, and writes down how each of them ended.

    Args:
        max_concurrent_requests: of both protocols together.
        metrics: where requests are counted.
        access_log: where they are written; None for nowhere.

    Attributes:
        under_way: requests that are not answered yet.
        is_draining: whether the gateway is about to stop.
    """

    def __init__(self, max_concurrent_requests: int, metrics: Metrics, access_log: AccessLog | None) -> None:
        self._max_concurrent_requests = max_concurrent_requests
        self._metrics, self._access_log = metrics, access_log
        self.under_way = 0
        self.is_draining = False
        metrics.watch("requests_under_way", "Requests that are not answered yet", lambda: self.under_way)

    @contextlib.contextmanager
    def request(self, record: RequestRecord) -> Iterator[None]:
        """Goes around the answering of a request, which raises a ServingError if it cannot be answered.

        Raises:
            Refusal: RESOURCE_EXHAUSTED: there are too many under way.
        """
        start = time.monotonic()
        self.under_way += 1
        try:
            if self.under_way > self._max_concurrent_requests:
                raise Refusal(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"more than {self._max_concurrent_requests} requests at the same time",
                    "busy",
                    _RETRY_AFTER,
                )
            yield
            record.status = record.status or "OK"
        except ServingError as error:
            record.status = _status(record, error)
            record.reason = error.reason if isinstance(error, Refusal) else "backend"
            raise
        except asyncio.CancelledError:  # whoever asked has hung up, or ran out of time
            record.status = _status(record, ServingError(grpc.StatusCode.CANCELLED, ""))
            record.reason = "cancelled"
            raise
        except BaseException:
            record.status = _status(record, ServingError(grpc.StatusCode.INTERNAL, ""))
            record.reason = "bug"
            raise
        finally:
            self.under_way -= 1
            record.total_seconds = time.monotonic() - start
            self._metrics.count(record)
            if self._access_log is not None:
                self._access_log.write(record)


def _status(record: RequestRecord, error: ServingError) -> str:
    return str(error.http_status) if record.protocol == "rest" else error.code.name
