"""Where every request comes in and goes out, whatever its protocol."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import grpc

from tsd_tf.gateway.access_log import AccessLog
from tsd_tf.gateway.metrics import Metrics
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.server_intake import ServerIntake
from tsd_tf.serving.serving_error import ServingError


class Intake:
    """Bounds the requests under way, and writes down how each of them ended.

    Args:
        bounds: of requests and connections.
        metrics: where requests are counted.
        access_log: where they are written; None for nowhere.

    Attributes:
        is_draining: whether the gateway is about to stop.
    """

    def __init__(self, bounds: ServerIntake, metrics: Metrics, access_log: AccessLog | None) -> None:
        http = bounds.http_connections
        self._connections = {"grpc": bounds.grpc_connections, "rest": http, "page": http}
        self._arrivals, self._metrics, self._access_log = bounds.arrivals, metrics, access_log
        self.is_draining = False

    @contextlib.contextmanager
    def request(self, record: RequestRecord, peer: Peer) -> Iterator[Arrival]:
        """Goes around the answering of a request, which raises a ServingError if it cannot be answered."""
        start = time.monotonic()
        try:
            with self._arrivals.request(peer, self._connections[record.protocol]) as arrival:
                yield arrival
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
            record.total_seconds = time.monotonic() - start
            self._metrics.count(record)
            if self._access_log is not None:
                self._access_log.write(record)


def _status(record: RequestRecord, error: ServingError) -> str:
    return error.code.name if record.protocol == "grpc" else str(error.http_status)
