"""Asking again when a server is not there."""

import random
import time

FIRST_PAUSE = 0.2  # seconds; doubles with every attempt
LONGEST_PAUSE = 2.0


class UnavailableError(Exception):
    """One attempt found no server; the message says why."""


def with_retries(attempt, attempts):
    """Calls `attempt()` until it does not raise UnavailableError, at most `attempts` times, with doubling pauses.

    Raises:
        UnavailableError: of the last attempt.
    """
    for number in range(1, attempts + 1):
        try:
            return attempt()
        except UnavailableError:
            if number == attempts:
                raise
        # Clients that lost the same server do not come back in step.
        time.sleep(min(FIRST_PAUSE * 2 ** (number - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.25))
    raise ValueError(f"`attempts` must be at least 1. Received: attempts={attempts}")
