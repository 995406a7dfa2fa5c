"""Counters and histograms for Prometheus, under TensorFlow Serving's names."""

from collections.abc import Iterator

import prometheus_client
from prometheus_client.registry import Collector

REQUEST_COUNT = ":tensorflow:serving:request_count"  # labels model_name, status
REQUEST_LATENCY = ":tensorflow:serving:request_latency"  # microseconds; labels model_name, API, entrypoint
RUNTIME_LATENCY = ":tensorflow:serving:runtime_latency"  # microseconds in the model; labels model_name, API, runtime
QUEUING_LATENCY = ":tensorflow:serving:batching_session:queuing_latency"  # microseconds
BATCH_SIZE = ":tensorflow:serving:batching_session:processed_batch_size"  # clips in a call of the model

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
            )
        }
        self._histograms = {
            name: prometheus_client.Histogram(name, help_text, labels, registry=self._registry, buckets=bounds)
            for name, (help_text, labels, bounds) in _HISTOGRAMS.items()
        }

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        self._counters[name].labels(**labels).inc()

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds a value to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def collect(self) -> Iterator[prometheus_client.Metric]:
        """What has been counted, without the times at which counting began: TensorFlow Serving tells none."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def text(self) -> str:
        """The page that Prometheus scrapes."""
        page = prometheus_client.generate_latest(self).decode()
        for name in self._counters:  # TensorFlow Serving's end otherwise
            page = page.replace(f"{name}_total", name)
        return page
