import numpy as np
import pytest

from tsd_tf.reporting import paired_comparison


def bits(text):
    return np.asarray([character == "1" for character in text])


def test_mean_and_sample_deviation():
    assert paired_comparison.mean_and_deviation([0.5, 0.7, 0.9]) == pytest.approx((0.7, 0.2))
    assert paired_comparison.mean_and_deviation([0.25]) == (0.25, None)


def test_compares_per_seed_and_per_video():
    ours = {0: bits("11111110"), 1: bits("11111100")}
    other = {0: bits("00001110"), 1: bits("00000001")}
    found = paired_comparison.compare(ours, other)
    # By hand: 7/8 - 3/8 and 6/8 - 1/8; their mean 9/16, their deviation 1/8 / sqrt(2).
    assert found.difference == pytest.approx(9 / 16)
    assert found.deviation == pytest.approx(0.125 / np.sqrt(2))
    # The videos' differences are 1 four times and 0 four times, then 1 six times, 0 once and -1 once.
    variances = 0.5 - 0.5**2, 7 / 8 - (5 / 8) ** 2
    assert found.standard_error == pytest.approx(np.sqrt(sum(variances) / 8) / 2)
    # t = mean / (deviation / sqrt(2)) = 9 with one degree of freedom, whose two-sided p is 1 - 2 atan(t) / pi.
    assert found.p_seeds == pytest.approx(1 - 2 * np.arctan(9) / np.pi)
    # Ten videos speak for us, one against: the binomial tail of 11 at 10 and 11, twice.
    assert found.p_videos == pytest.approx(2 * (11 + 1) / 2**11)


def test_one_seed_says_nothing_about_seeds():
    found = paired_comparison.compare({3: bits("110")}, {3: bits("110")})
    assert (found.difference, found.deviation, found.p_seeds, found.p_videos) == (0.0, None, None, 1.0)
    assert found.standard_error == 0.0


def test_the_same_seeds_are_expected():
    with pytest.raises(ValueError, match=r"same seeds of both, received \[0\] and \[0, 1\]"):
        paired_comparison.compare({0: bits("1")}, {0: bits("1"), 1: bits("1")})
