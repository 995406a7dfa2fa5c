"""Counters and histograms in Prometheus' text format, under TensorFlow Serving's names."""

import bisect
import threading
from collections.abc import Sequence
from typing import Any

REQUEST_COUNT = ":tensorflow:serving:request_count"  # labels model_name, status
REQUEST_LATENCY = ":tensorflow:serving:request_latency"  # microseconds; labels model_name, API, entrypoint
RUNTIME_LATENCY = ":tensorflow:serving:runtime_latency"  # microseconds in the model; labels model_name, API, runtime
QUEUING_LATENCY = ":tensorflow:serving:batching_session:queuing_latency"  # microseconds
BATCH_SIZE = ":tensorflow:serving:batching_session:processed_batch_size"  # clips in a call of the model

_LATENCY_BOUNDS = tuple(10.0 * 1.8**power for power in range(33))  # TensorFlow Serving's
_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_Key = tuple[str, tuple[tuple[str, str], ...]]  # name and labels


class Metrics:
    """What the server has counted since it started; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[_Key, int] = {}
        self._histograms: dict[_Key, tuple[list[int], float]] = {}  # values in each bucket, their sum

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        key = (name, tuple(labels.items()))
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + 1

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds a value to a histogram."""
        bounds = _BATCH_BOUNDS if name == BATCH_SIZE else _LATENCY_BOUNDS
        key = (name, tuple(labels.items()))
        with self._lock:
            buckets, total = self._histograms.get(key, ([0] * (len(bounds) + 1), 0.0))
            buckets[bisect.bisect_left(bounds, value)] += 1
            self._histograms[key] = (buckets, total + value)

    def text(self) -> str:
        """The page that Prometheus scrapes."""
        lines: list[str] = []
        with self._lock:
            for (name, labels), value in sorted(self._counters.items()):
                lines.append(f"# TYPE {name} counter")
                lines.append(f"{name}{{{_labels(labels)}}} {value}")
            for (name, labels), (buckets, total) in sorted(self._histograms.items()):
                lines.append(f"# TYPE {name} histogram")
                bounds = _BATCH_BOUNDS if name == BATCH_SIZE else _LATENCY_BOUNDS
                count = 0
                for bound, amount in zip((*map(str, bounds), "+Inf"), buckets, strict=True):
                    count += amount
                    lines.append(f"{name}_bucket{{{_labels((*labels, ('le', bound)))}}} {count}")
                lines.append(f"{name}_sum{{{_labels(labels)}}} {total}")
                lines.append(f"{name}_count{{{_labels(labels)}}} {count}")
        # The type of a name comes once, before the first of its lines.
        return "\n".join(dict.fromkeys(lines)) + "\n"


def _labels(labels: Sequence[tuple[str, Any]]) -> str:
    return ",".join(
        '{}="{}"'.format(name, str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
