"""Counters and histograms for Prometheus, under TensorFlow Serving's names."""

from collections.abc import Callable, Iterator

import prometheus_client
from prometheus_client.registry import Collector

from tsd_tf.serving import refusal_log
from tsd_tf.serving.refusal import Refusal

REQUEST_COUNT = ":tensorflow:serving:request_count"  # labels model_name, status
REQUEST_LATENCY = ":tensorflow:serving:request_latency"  # microseconds; labels model_name, API, entrypoint
RUNTIME_LATENCY = ":tensorflow:serving:runtime_latency"  # microseconds in the model; labels model_name, API, runtime
QUEUING_LATENCY = ":tensorflow:serving:batching_session:queuing_latency"  # microseconds
BATCH_SIZE = ":tensorflow:serving:batching_session:processed_batch_size"  # clips in a call of the model
# Of this server alone.
REFUSALS = "tsd_serving_refusals"  # label reason
CONNECTIONS_ENDED = "tsd_serving_connections_ended"  # labels protocol, reason
OTHER = "other"  # the model_name of requests for a model that there is not: what strangers write is kept nowhere

_LATENCY_BOUNDS = tuple(10.0 * 1.8**power for power in range(33))  # TensorFlow Serving's
_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_HISTOGRAMS: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    REQUEST_LATENCY: ("microseconds of a request", ("model_name", "API", "entrypoint"), _LATENCY_BOUNDS),
    RUNTIME_LATENCY: ("microseconds of a request in the model", ("model_name", "API", "runtime"), _LATENCY_BOUNDS),
    QUEUING_LATENCY: ("microseconds that a request waits for the model", (), _LATENCY_BOUNDS),
    BATCH_SIZE: ("clips in a call of the model", (), _BATCH_BOUNDS),
}


class Metrics(Collector):
    """What the server has counted since it started; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._counters = {
            REQUEST_COUNT: prometheus_client.Counter(
                REQUEST_COUNT, "requests by their outcome", ("model_name", "status"), registry=self._registry
            ),
            REFUSALS: prometheus_client.Counter(
                REFUSALS, "requests that were refused for a bound, by which", ("reason",), registry=self._registry
            ),
            CONNECTIONS_ENDED: prometheus_client.Counter(
                CONNECTIONS_ENDED,
                "connections that were ended for a bound, by which",
                ("protocol", "reason"),
                registry=self._registry,
            ),
        }
        self._histograms = {
            name: prometheus_client.Histogram(name, help_text, labels, registry=self._registry, buckets=bounds)
            for name, (help_text, labels, bounds) in _HISTOGRAMS.items()
        }

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        self._counters[name].labels(**labels).inc()

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Shows tsd_serving_<name>, whose value is asked for when the page is."""
        prometheus_client.Gauge(f"tsd_serving_{name}", text, registry=self._registry).set_function(value)

    def count_refusal(self, refusal: Refusal) -> None:
        """Counts a request that was refused before its model was known."""
        self.count(REFUSALS, reason=refusal.reason)
        self.count(REQUEST_COUNT, model_name=OTHER, status=refusal.code.name)

    def count_ended(self, protocol: str, reason: str) -> None:
        """Counts a connection of "http" or "grpc" that was ended for a bound."""
        self.count(CONNECTIONS_ENDED, protocol=protocol, reason=reason)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds a value to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def refusals(self) -> dict[str, float]:
        """{status: requests so far} of those that were not answered with what they asked for."""
        return refusal_log.by_label(self._counters[REQUEST_COUNT], "status", but="OK")

    def collect(self) -> Iterator[prometheus_client.Metric]:
        """What has been counted, without the times at which counting began: TensorFlow Serving tells none."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def text(self) -> str:
        """The page that Prometheus scrapes."""
        page = prometheus_client.generate_latest(self).decode()
        return page.replace(f"{REQUEST_COUNT}_total", REQUEST_COUNT)  # TensorFlow Serving's ends otherwise
