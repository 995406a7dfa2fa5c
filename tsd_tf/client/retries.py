"""Asking again when a server is unavailable."""

import dataclasses
import random
import time
from collections.abc import Callable
from typing import Any


class UnavailableError(Exception):
    """One attempt found no server; the message says why."""


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often and how fast a request is sent again while the server is unavailable.

    Attributes:
        attempts: how often it is sent.
        first_pause: seconds before the second attempt; every further pause is twice as long.
        longest_pause: seconds.
    """

    attempts: int = 4
    first_pause: float = 0.2
    longest_pause: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"`attempts` must be at least 1. Received: attempts={self.attempts}")
        for name in ("first_pause", "longest_pause"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}")

    def run(self, attempt: Callable[[], Any]) -> Any:
        """Calls `attempt()` until it does not raise UnavailableError; the last attempt's is raised."""
        for number in range(self.attempts - 1):
            try:
                return attempt()
            except UnavailableError:
                # Clients that lost the same server should not come back in step.
                pause = min(self.first_pause * 2**number, self.longest_pause)
                time.sleep(pause * random.uniform(0.75, 1.25))
        return attempt()
