"""From frames at the times of their video to frames at one rate."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_TOLERANCE = 1e-6  # seconds; times are sums and quotients of floats


def on_display(
    timed: Iterable[tuple[float, Item | None]],
    frame_rate: float,
    time_start: float = 0.0,
    time_end: float | None = None,
) -> Iterator[Item]:
    """Yields what is on display at time_start + k / frame_rate, k = 0, 1, ...

    Args:
        timed: (seconds, item), the times ascending: each item is on display from its time until the next one's, the
            first also before. At last (the end, None).
        frame_rate: items a second.
        time_start, time_end: the half-open interval, in seconds; time_end is None for the end.

    Yields:
        The items; one that stays on display comes several times.
    """
    end = float("inf") if time_end is None else time_end
    count, shown = 0, None
    for time, item in timed:
        first = item if shown is None else shown
        while first is not None and time_start + count / frame_rate < min(time, end) - _TOLERANCE:
            yield first
            count += 1
        if time >= end:
            return
        if item is not None:
            shown = item
