import pytest

from tsd_tf.client.retries import Retries, UnavailableError


@pytest.mark.parametrize(("failures", "attempts", "asked"), [(0, 1, 1), (2, 3, 3), (3, 3, 3), (9, 1, 1)])
def test_it_asks_until_there_is_an_answer(failures, attempts, asked):
    calls = []

    def attempt():
        calls.append(len(calls))
        if len(calls) <= failures:
            raise UnavailableError(f"attempt {len(calls)}")
        return "answer"

    retries = Retries(attempts, first_pause=0.0)
    if failures < attempts:
        assert retries.run(attempt) == "answer"
    else:
        with pytest.raises(UnavailableError, match=f"attempt {attempts}"):
            retries.run(attempt)
    assert len(calls) == asked


def test_other_errors_are_not_repeated():
    calls = []

    def attempt():
        calls.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        Retries(5, first_pause=0.0).run(attempt)
    assert len(calls) == 1


@pytest.mark.parametrize("arguments", [{"attempts": 0}, {"first_pause": -1}, {"longest_pause": -0.1}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must"):
        Retries(**arguments)
