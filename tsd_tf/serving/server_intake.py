"""The bounds of one server: its connections and requests, by gRPC and HTTP."""

import functools
import logging
from collections.abc import Callable, Container
from typing import Protocol

from tsd_tf.serving import file_limit
from tsd_tf.serving.arrivals import Arrivals
from tsd_tf.serving.connections import Connections
from tsd_tf.serving.grpc_intake import GrpcIntake
from tsd_tf.serving.grpc_options import server_options
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.refusal import Refusal

_LOG = logging.getLogger(__name__)


class _Metrics(Protocol):
    def watch(self, name: str, text: str, value: Callable[[], float]) -> None: ...

    def count_refusal(self, refusal: Refusal) -> None: ...

    def count_ended(self, protocol: str, reason: str) -> None: ...


class ServerIntake:
    """What both protocols of a server have in common, and each has for itself.

    Args:
        limits: the bounds.
        metrics: where it is shown how near they are, and counted who went beyond them.
        skipped: methods of gRPC whose handlers enter their calls themselves.

    Attributes:
        arrivals: the requests of both protocols.
        http_connections, grpc_connections: the connections of each.
        grpc: the interceptor of a gRPC server.
        grpc_options: its options.
        http_ended: is told why a connection of HTTP was ended.
    """

    def __init__(self, limits: IntakeLimits, metrics: _Metrics, skipped: Container[str] = ()) -> None:
        self.arrivals = Arrivals(limits.max_concurrent_requests, limits.max_request_bytes)
        # gRPC takes some more, until it is known whose they are; so there are three times as many in all.
        most = max(1, file_limit.room_for_connections(3 * limits.max_connections) // 3)
        if most < limits.max_connections:
            text = "at most %d connections of each protocol instead of %d: the system allows too few open files"
            _LOG.warning(text, most, limits.max_connections)
        self.http_ended = functools.partial(metrics.count_ended, "http")
        self.http_connections = Connections(most, limits.max_connections_per_address, self.http_ended)
        grpc_ended = functools.partial(metrics.count_ended, "grpc")
        self.grpc_connections = Connections(most, limits.max_connections_per_address, grpc_ended)
        self.grpc = GrpcIntake(self.arrivals, self.grpc_connections, limits, metrics.count_refusal, skipped)
        self.grpc_options = server_options(limits, 2 * most)
        arrivals = self.arrivals
        metrics.watch("requests_under_way", "Requests that are answered", lambda: arrivals.num_whole)
        metrics.watch("requests_arriving", "Requests that are not whole yet", lambda: arrivals.num_arriving)
        metrics.watch("request_bytes", "Bytes that requests hold", lambda: arrivals.num_bytes + arrivals.num_unseen)
        metrics.watch("http_connections", "Connections of HTTP", lambda: len(self.http_connections))
        metrics.watch("grpc_connections", "Connections of gRPC", lambda: len(self.grpc_connections))
