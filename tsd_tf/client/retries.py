"""Asking again when a server is unavailable or busy."""

import dataclasses
import random
import time
from collections.abc import Callable
from typing import Any


class UnavailableError(Exception):
    """One attempt found no server, or one that is busy; the message says why.

    Args:
        message: why.
        retry_after: seconds after which a busy server asks to be asked again; None of one that is not there.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often and how fast a request is sent again while the server is unavailable.

    Attributes:
        attempts: how often it is sent.
        first_pause: seconds before the second attempt; every further pause is twice as long.
        longest_pause: seconds; a busy server's own wish may be longer.
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
            except UnavailableError as error:
                # Clients that lost the same server should not come back in step.
                if error.retry_after is None:
                    pause = min(self.first_pause * 2**number, self.longest_pause) * random.uniform(0.75, 1.25)
                else:
                    pause = error.retry_after * random.uniform(1.0, 1.25)
                time.sleep(pause)
        return attempt()
