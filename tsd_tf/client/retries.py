"""When to ask again."""

import dataclasses
import datetime
import email.utils
import math
import random

_MOST_DOUBLINGS = 30


@dataclasses.dataclass(frozen=True)
class Retries:
    """How long and how fast a request is sent again while the server is away or busy.

    Attributes:
        retry_for: seconds; no attempt begins later than that. 0 to ask once.
        first_pause: seconds before the second attempt; every further pause is twice as long.
        longest_pause: seconds; a server's own wish may be longer.
    """

    retry_for: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 5.0

    def __post_init__(self) -> None:
        for name in ("retry_for", "first_pause", "longest_pause"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}")

    def pause(self, number: int, retry_after: float | None = None) -> float:
        """Seconds after an attempt that failed; at random, so that clients that lost a server do not come back in step.

        Args:
            number: of the attempt, from 1.
            retry_after: seconds that the server asks for, or None.
        """
        pause = min(self.first_pause * 2 ** min(number - 1, _MOST_DOUBLINGS), self.longest_pause)
        pause *= random.uniform(0.5, 1.0)
        return pause if retry_after is None else max(pause, retry_after * random.uniform(1.0, 1.25))


def seconds_of(retry_after: str | None) -> float | None:
    """The seconds that a header Retry-After asks for, as a number or as a date; None if it asks for nothing."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            then = email.utils.parsedate_to_datetime(retry_after)
        except (TypeError, ValueError):
            return None
        if then.tzinfo is None:  # "-0000", which is UTC
            then = then.replace(tzinfo=datetime.timezone.utc)
        seconds = max(0.0, (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
    return seconds if seconds >= 0 and math.isfinite(seconds) else None
