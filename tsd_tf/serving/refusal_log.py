"""Refused requests in the log, a line for many."""

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable, Mapping

import prometheus_client

_LOG = logging.getLogger(__name__)


class RefusalLog(contextlib.AbstractAsyncContextManager):
    """Says every few seconds how many requests were refused: `async with RefusalLog(counts):`.

    A line for each would fill the disk whenever somebody wants it to.

    Args:
        counts: gives {reason: requests so far}.
        seconds: between two lines.
    """

    def __init__(self, counts: Callable[[], Mapping[str, float]], seconds: float = 10.0) -> None:
        self._counts, self._seconds = counts, seconds
        self._told = counts()

    async def __aenter__(self) -> "RefusalLog":
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._task.cancel()
        self._tell()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            self._tell()

    def _tell(self) -> None:
        counts, told = self._counts(), self._told
        new = {key: int(count - told.get(key, 0)) for key, count in counts.items() if count > told.get(key, 0)}
        self._told = counts
        if new:
            reasons = ", ".join(f"{reason} {count}" for reason, count in new.items())
            values = {"event": "requests_refused", "count": sum(new.values()), "reasons": new}
            _LOG.warning("refused requests: %s", reasons, extra=values)


def by_label(counter: prometheus_client.Counter, label: str, but: str) -> dict[str, float]:
    """{value of a label: sum of a counter}, without the value `but`."""
    found: dict[str, float] = collections.defaultdict(float)
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and sample.labels[label] != but:
                found[sample.labels[label]] += sample.value
    return found
