import threading
import time

import pytest

from tsd_tf.client.errors import LateError, ServerAwayError, UnansweredError, UnavailableError
from tsd_tf.client.patience import Patience
from tsd_tf.client.retries import Retries
from tsd_tf.contract.errors import UserError

_FAST = {"first_pause": 0.01, "longest_pause": 0.02}


class _Failing:
    """Fails so many times, then answers; remembers when it was asked."""

    def __init__(self, failures, error=lambda: UnavailableError("nobody", True)):
        self._failures, self._error, self.times = failures, error, []

    def __call__(self):
        self.times.append(time.monotonic())
        if len(self.times) <= self._failures:
            raise self._error()
        return "answer"


@pytest.fixture
def notes():
    return []


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_it_asks_until_there_is_an_answer(failures, notes):
    patience, attempt = Patience("host:1", Retries(60, **_FAST), notes.append), _Failing(failures)
    assert patience.run(attempt) == "answer"
    assert (len(attempt.times), patience.num_retries) == (failures + 1, failures)
    assert notes == []  # it took no second


def test_it_gives_up_in_time(notes):
    attempt = _Failing(1000)
    began = time.monotonic()
    with pytest.raises(ServerAwayError, match=r"^no server at host:1 \(asked \d+ times in 0.\d s\): nobody; python -m"):
        Patience("host:1", Retries(0.3, **_FAST), notes.append).run(attempt)
    assert 0.3 <= attempt.times[-1] - began < 3
    assert len(attempt.times) > 5


def test_once_is_enough_for_those_who_want_it(notes):
    attempt = _Failing(1)
    with pytest.raises(ServerAwayError, match="^no server at host:1: nobody; "):
        Patience("host:1", Retries(0), notes.append).run(attempt)
    assert len(attempt.times) == 1


def test_a_busy_server_is_no_server_that_is_away(notes):
    attempt = _Failing(1000, lambda: UnavailableError("too many", False))
    with pytest.raises(UnansweredError, match=r"^host:1 refused the request: too many \(asked \d+ times") as raised:
        Patience("host:1", Retries(0.1, **_FAST), notes.append).run(attempt)
    assert not isinstance(raised.value, ServerAwayError)


def test_what_a_server_asks_for_is_waited_unless_it_is_too_long(notes):
    attempt = _Failing(1, lambda: UnavailableError("too many", False, 0.3))
    assert Patience("host:1", Retries(60, **_FAST), notes.append).run(attempt) == "answer"
    assert attempt.times[1] - attempt.times[0] >= 0.3
    attempt = _Failing(1, lambda: UnavailableError("too many", False, 61.0))
    with pytest.raises(UnansweredError, match="too many; it asks to come back in 61 s, and `retry_for` ends before$"):
        Patience("host:1", Retries(60, **_FAST), notes.append).run(attempt)
    assert len(attempt.times) == 1


def test_waiting_is_said_once_and_its_end_too(notes):
    patience = Patience("host:1", Retries(60, 0.3, 0.3), notes.append)
    back = time.monotonic() + 2

    def attempt():
        if time.monotonic() < back:
            raise UnavailableError("nobody", True)

    threads = [threading.Thread(target=patience.run, args=(attempt,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes) == 2
    assert notes[0].startswith("host:1 is away, and is asked again for up to ")
    assert notes[0].endswith(" s: nobody")
    assert notes[1].startswith("host:1 answers again, after ")


def test_what_was_waited_for_is_not_waited_for_all_over_again(notes):
    """Else a folder of a thousand videos would take a thousand times as long to give up."""
    patience = Patience("host:1", Retries(0.3, **_FAST), notes.append)
    with pytest.raises(ServerAwayError):
        patience.run(_Failing(1000))
    attempt = _Failing(1000)
    with pytest.raises(ServerAwayError):
        patience.run(attempt)
    assert len(attempt.times) == 1
    assert patience.run(_Failing(0)) == "answer"
    assert patience.run(_Failing(3)) == "answer"  # it is there again, and may go again


def test_the_waiting_counts_from_when_the_clip_came_up(notes):
    attempt = _Failing(1000)
    with pytest.raises(ServerAwayError):
        Patience("host:1", Retries(60, **_FAST), notes.append).run(attempt, time.monotonic() - 61)
    assert len(attempt.times) == 1


@pytest.mark.parametrize("error", [UserError("no"), UnansweredError("not this one"), KeyError("a bug")])
def test_other_errors_are_not_repeated(error, notes):
    attempt = _Failing(1, lambda: error)
    with pytest.raises(type(error)):
        Patience("host:1", Retries(60, **_FAST), notes.append).run(attempt)
    assert len(attempt.times) == 1


def test_who_is_late_may_be_away(notes):
    patience = Patience("host:1", Retries(0.2, **_FAST), notes.append)
    with pytest.raises(ServerAwayError):
        patience.run(_Failing(1000))
    with pytest.raises(LateError):
        patience.run(_Failing(1, lambda: LateError("late")))
    attempt = _Failing(1)
    with pytest.raises(ServerAwayError):
        patience.run(attempt)
    assert len(attempt.times) == 1


def test_it_can_be_ended(notes):
    patience = Patience("host:1", Retries(60, 30, 30), notes.append)
    threading.Timer(0.2, patience.end).start()
    began = time.monotonic()
    with pytest.raises(UnansweredError, match="^host:1 was not waited for any longer$"):
        patience.run(_Failing(1000))
    assert time.monotonic() - began < 5
