"""Asks a server again while it is away or busy, says so, and gives up in time."""

import threading
import time
from collections.abc import Callable
from typing import Any

from tsd_tf.client.errors import LateError, ServerAwayError, UnansweredError, UnavailableError
from tsd_tf.client.retries import Retries
from tsd_tf.contract.errors import UserError

_WORTH_SAYING = 1.0  # seconds


class Patience:
    """What all requests of a connection have in common while the server does not answer.

    How long to go on counts from when the server was first missed: what is asked after that is not waited for all over
    again. Threads share it.

    Args:
        server: as the user knows it.
        retries: how long and how fast.
        note: is called with a line when waiting takes more than a second, and when it is over.

    Attributes:
        num_retries: how often something was sent again.
    """

    def __init__(self, server: str, retries: Retries, note: Callable[[str], Any]) -> None:
        self._server, self._retries, self._note = server, retries, note
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._missed_since: float | None = None
        self._has_said = False
        self.num_retries = 0

    def run(self, attempt: Callable[[], Any], since: float | None = None) -> Any:
        """Calls `attempt()` until it does not raise UnavailableError, and returns what it does.

        Args:
            attempt: one attempt.
            since: when what is asked for came up, of time.monotonic; None for now.

        Raises:
            UnansweredError: it was given up, or `end` was called; ServerAwayError if there was no server.
        """
        began = time.monotonic()
        number = 0
        while True:
            number += 1
            try:
                answer = attempt()
            except UnavailableError as error:
                self._wait(error, number, began, began if since is None else since)
            except LateError:
                raise
            except UserError:
                self._answers()
                raise
            else:
                self._answers()
                return answer

    @property
    def is_waiting(self) -> bool:
        """Whether the server is missed."""
        return self._missed_since is not None

    def end(self) -> None:
        """Whatever waits is given up at once."""
        self._is_over.set()

    def check(self) -> None:
        """LateError if `end` was called."""
        if self._is_over.is_set():
            raise LateError(f"{self._server} was not waited for any longer")

    def _wait(self, error: UnavailableError, number: int, began: float, since: float) -> None:
        self.check()
        line = ""
        with self._lock:
            now = time.monotonic()
            if self._missed_since is None:
                self._missed_since = now
            left = min(since, self._missed_since) + self._retries.retry_for - now
            if left <= 0 or (error.retry_after or 0.0) > left:
                raise self._given_up(error, number, now - began, left) from error
            pause = min(self._retries.pause(number, error.retry_after), max(left, error.retry_after or 0.0))
            self.num_retries += 1
            if not self._has_said and now + pause - self._missed_since > _WORTH_SAYING:
                self._has_said = True
                state = "away" if error.is_away else "busy"
                line = f"{self._server} is {state}, and is asked again for up to {left:.3g} s: {error.reason}"
        if line:
            self._note(line)
        self._is_over.wait(pause)
        self.check()

    def _given_up(self, error: UnavailableError, number: int, seconds: float, left: float) -> UnansweredError:
        asked = f" (asked {number} times in {seconds:.1f} s)" if number > 1 else ""
        if error.is_away:
            return ServerAwayError(
                f"no server at {self._server}{asked}: {error.reason}; python -m tsd_tf.serving starts one, `server` "
                "names another"
            )
        wish = "" if left <= 0 else f"; it asks to come back in {error.retry_after:g} s, and `retry_for` ends before"
        return UnansweredError(f"{self._server} refused the request: {error.reason}{asked}{wish}")

    def _answers(self) -> None:
        with self._lock:
            missed_since, self._missed_since = self._missed_since, None
            has_said, self._has_said = self._has_said, False
        if has_said and missed_since is not None:
            self._note(f"{self._server} answers again, after {time.monotonic() - missed_since:.1f} s")
