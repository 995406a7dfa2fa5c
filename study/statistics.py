"""Means over seeds, and paired comparisons of two methods."""

import dataclasses

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One method against another on the same seeds and videos.

    Attributes:
        difference: mean over seeds of the difference of their accuracies.
        deviation: standard deviation of this difference over seeds; None for one seed.
        p_seeds: two-sided paired t-test over seeds. Data, initialisation and pretraining are drawn anew in each, so it
            speaks about trainings to come. None for one seed.
        p_videos: exact two-sided McNemar test over the videos of all seeds. It speaks about videos to come, with the
            trained networks given.
    """

    difference: float
    deviation: float | None
    p_seeds: float | None
    p_videos: float


def mean_and_deviation(values):
    """(mean, sample standard deviation); the deviation of a single value is None."""
    values = np.asarray(values, "float64")
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


def compare(correct, other):
    """Compares two methods, by seed.

    Args:
        correct, other: {seed: (num_videos,) bool}, the same seeds, the same videos in the same order.

    Returns:
        Comparison.
    """
    if correct.keys() != other.keys():
        raise ValueError(f"expected the same seeds of both, received {sorted(correct)} and {sorted(other)}")
    differences = [float(correct[seed].mean() - other[seed].mean()) for seed in sorted(correct)]
    difference, deviation = mean_and_deviation(differences)
    p_seeds = float(stats.ttest_1samp(differences, 0.0).pvalue) if deviation else None
    wins = sum(int((correct[seed] & ~other[seed]).sum()) for seed in correct)
    losses = sum(int((~correct[seed] & other[seed]).sum()) for seed in correct)
    p_videos = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Comparison(difference, deviation, p_seeds, p_videos)
