import math

import pytest

from tsd_tf.contract.frame_times import FrameTimes, is_frame_rate, scaled_size


def _times(rate, timestamps):
    times = FrameTimes(rate)
    return [times.add(timestamp) for timestamp in timestamps], times.end


@pytest.mark.parametrize(
    ("rate", "timestamps", "expected", "end"),
    [
        (25, [0, 0.04, 0.08], [0, 0.04, 0.08], 0.12),
        (25, [1.5, 1.54, 1.6], [0, 0.04, 0.1], 0.14),  # from the first frame; a variable rate
        (50, [0, 0, 0], [0, 0.02, 0.04], 0.06),  # no times: the header's rate
        (0, [0, 0, 0], [0, 0.04, 0.08], 0.12),  # nor a rate
        (10, [0, 0.1, 0.05, 0.3], [0, 0.1, 0.2, 0.3], 0.4),  # one that goes back
        (10, [0, 0.1, 500.0, 500.1], [0, 0.1, 500.0, 500.1], 500.2),  # a pause
        (10, [0, 0.1, 5000.0, 5000.1], [0, 0.1, 0.2, 0.3], 0.4),  # a broken clock
        (10, [0, None, None, 0.3], [0, 0.1, 0.2, 0.3], 0.4),
        (10, [0, 0.1, 0.3, 0.3, 0.4, 0.5], [0, 0.1, 0.3, 0.4, 0.45, 0.5], 0.55),  # one too early: the clock catches up
        (10, [None, 0.1], [0, 0.1], 0.2),
        (10, [], [], 0),
    ],
)
def test_times_ascend_from_zero(rate, timestamps, expected, end):
    found, found_end = _times(rate, timestamps)
    assert found == pytest.approx(expected)
    assert found_end == pytest.approx(end)


def test_a_player_counts_from_the_start_of_the_file():
    times = FrameTimes(25, origin=1.0)
    assert [times.add(timestamp) for timestamp in (3.0, 3.04)] == pytest.approx([2.0, 2.04])


def test_a_clock_that_starts_anew():
    """As in MPEG-TS that is cut together: forwards and back."""
    times = FrameTimes(10, longest_jump=10.0)
    found = [times.add(timestamp) for timestamp in (0.0, 0.1, 90.0, 90.1, 0.0, 0.1, 9.0)]
    assert found == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 9.4])


def test_a_first_frame_that_is_far_too_late():
    times = FrameTimes(10, origin=0.0)
    assert [times.add(timestamp) for timestamp in (1e9, 1e9 + 0.1, 1e9 + 0.3)] == pytest.approx([0.0, 0.1, 0.3])
    times = FrameTimes(10, origin=1e9)
    assert [times.add(timestamp) for timestamp in (0.0, 0.1)] == pytest.approx([0.0, 0.1])


def test_pauses_without_end():
    """A file of a few kilobytes must not bring about years of repeated frames."""
    times = FrameTimes(10)
    found = [times.add(500.0 * index) for index in range(100)]
    assert found[14:17] == pytest.approx([7000.0, 7000.1, 7000.2])
    assert times.end == pytest.approx(7000.0 + 86 * 0.1)


def test_a_slow_clock_is_no_pause():
    times = FrameTimes(10)
    assert [times.add(float(index)) for index in range(20_000)][-1] == pytest.approx(19_999.0)


def test_a_video_that_says_that_its_frames_are_shown_long_keeps_its_clock():
    times = FrameTimes(0.5)
    assert [times.add(2.0 * index, 2.0) for index in range(10_000)][-1] == pytest.approx(19_998.0)
    times = FrameTimes(0.01)  # but a small file must not promise years
    assert [times.add(100.0 * index, 100.0) for index in range(1000)][-1] < 7300.0 + 1000 * 0.04


def test_the_last_frame_is_shown_as_long_as_the_container_says():
    times = FrameTimes(25)
    times.add(0.0, 0.04)
    times.add(0.04, 3.0)
    assert times.end == pytest.approx(3.04)
    times.add(0.08, 1e9)
    assert times.end == pytest.approx(0.12)


def test_rates_that_can_be_one():
    assert [rate for rate in (0, 0.5, 1, 25, 240, 241, 90000) if is_frame_rate(rate)] == [1, 25, 240]
    assert not is_frame_rate(math.nan)


def test_the_short_side_is_exact():
    assert scaled_size(90, 160, 45) == (80, 45)
    assert scaled_size(160, 90, 45) == (45, 80)
    assert scaled_size(50, 98, 30) == (59, 30)
