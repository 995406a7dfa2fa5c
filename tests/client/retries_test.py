import datetime
import email.utils

import pytest

from tsd_tf.client.retries import Retries, seconds_of


def test_pauses_double_at_random():
    retries = Retries(first_pause=0.4, longest_pause=3.0)
    for number, whole in ((1, 0.4), (2, 0.8), (3, 1.6), (4, 3.0), (5000, 3.0)):
        pauses = [retries.pause(number) for _ in range(50)]
        assert all(whole / 2 <= pause <= whole for pause in pauses)
        assert len(set(pauses)) > 10


def test_a_servers_wish_counts_unless_it_is_shorter():
    retries = Retries(first_pause=0.4, longest_pause=3.0)
    assert all(20.0 <= retries.pause(1, 20.0) <= 25.0 for _ in range(50))
    assert all(1.5 <= retries.pause(4, 0.0) <= 3.0 for _ in range(50))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("2.5", 2.5), ("nan", None), ("inf", None), ("-1", None), ("soon", None), ("", None), (None, None)],
)
def test_headers(header, seconds):
    assert seconds_of(header) == seconds


def test_headers_with_dates():
    now = datetime.datetime.now(datetime.timezone.utc)
    for then in (now, now.replace(tzinfo=None)):  # "GMT", and "-0000"
        later = email.utils.format_datetime(then + datetime.timedelta(seconds=30))
        assert 25 < seconds_of(later) <= 30
        assert seconds_of(email.utils.format_datetime(then - datetime.timedelta(seconds=30))) == 0


@pytest.mark.parametrize("arguments", [{"retry_for": -1}, {"first_pause": -1}, {"longest_pause": float("nan")}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must"):
        Retries(**arguments)
