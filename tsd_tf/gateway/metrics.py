"""What the gateway counts, for Prometheus."""

from collections.abc import Callable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving import refusal_log
from tsd_tf.serving.refusal import Refusal

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one gateway, in a registry of its own. No label comes from a request but through a list of ours."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "requests", "Requests by protocol and status of their answers", "protocol", "status"
        )
        self._refusals = self._counter(
            "refusals", "Requests that were not answered, by reason and name of the token", "reason", "token"
        )
        self._ended = self._counter(
            "connections_ended", "Connections that were ended for a bound, by which", "protocol", "reason"
        )
        self._clips = self._counter("clips", "Clips of requests that were answered", "codec")
        self._bytes_in = self._counter("received_bytes", "Bytes of requests with frames", "codec")
        self._decode = self._histogram("decode_seconds", "Seconds until the clips of a request were decoded")
        self._backend = self._histogram("backend_seconds", "Seconds until a backend had answered a request")
        self._seconds = self._histogram("request_seconds", "Seconds until a request was answered")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tsd_gateway_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"tsd_gateway_{name}", text, registry=self._registry, buckets=_SECONDS)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Shows tsd_gateway_<name>, whose value is asked for when the page is."""
        Gauge(f"tsd_gateway_{name}", text, registry=self._registry).set_function(value)

    def count_refusal(self, refusal: Refusal) -> None:
        """Counts a call of another service, such as the health, that was refused."""
        self._refusals.labels(refusal.reason, "").inc()

    def count_ended(self, protocol: str, reason: str) -> None:
        """Counts a connection of "http" or "grpc" that was ended for a bound."""
        self._ended.labels(protocol, reason).inc()

    def count(self, record: RequestRecord) -> None:
        """Counts a request that is over."""
        self._requests.labels(record.protocol, record.status).inc()
        if record.reason:
            self._refusals.labels(record.reason, record.token).inc()
        if record.codec:
            self._bytes_in.labels(record.codec).inc(record.bytes_in)
            if not record.reason:
                self._clips.labels(record.codec).inc(record.clips or 0)
        if record.protocol == "page":  # which costs next to nothing, and would hide what others wait
            return
        for histogram, seconds in (
            (self._decode, record.decode_seconds),
            (self._backend, record.backend_seconds),
            (self._seconds, record.total_seconds),
        ):
            if seconds is not None:
                histogram.observe(seconds)

    def refusals(self) -> dict[str, float]:
        """{reason: requests so far} of those that were not answered, and whose clients waited for an answer."""
        return refusal_log.by_label(self._refusals, "reason", but="cancelled")

    def page(self) -> bytes:
        """The page that Prometheus scrapes, in its text format."""
        return prometheus_client.generate_latest(self._registry)
