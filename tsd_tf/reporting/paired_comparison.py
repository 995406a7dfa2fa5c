"""Means over seeds, and paired comparisons of two methods."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """One method against another on the same seeds and videos.

    Attributes:
        difference: mean over seeds of the difference of their accuracies.
        deviation: standard deviation of this difference over seeds; None for one seed.
        standard_error: of `difference`, over the videos of all seeds, the trained networks given.
        p_seeds: two-sided paired t-test over seeds. What is drawn anew in each of them varies, so it speaks about
            trainings to come. None for one seed.
        p_videos: exact two-sided McNemar test over the videos of all seeds. It speaks about videos to come, with the
            trained networks given.
    """

    difference: float
    deviation: float | None
    standard_error: float
    p_seeds: float | None
    p_videos: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """(mean, sample standard deviation); the deviation of a single value is None."""
    found = np.asarray(values, "float64")
    return float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else None


def compare(correct: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray]) -> PairedComparison:
    """Compares two methods, by seed.

    Args:
        correct, other: {seed: (num_videos,) bool}, the same seeds, the same videos in the same order.

    Raises:
        ValueError: the seeds differ.
    """
    if correct.keys() != other.keys():
        raise ValueError(f"expected the same seeds of both, received {sorted(correct)} and {sorted(other)}")
    by_video = [correct[seed].astype(int) - other[seed].astype(int) for seed in sorted(correct)]
    differences = [float(one.mean()) for one in by_video]
    difference, deviation = mean_and_deviation(differences)
    variance = sum(float(one.var()) / len(one) for one in by_video) / len(by_video) ** 2
    p_seeds = float(stats.ttest_1samp(differences, 0.0).pvalue) if deviation else None
    pairs = np.concatenate(by_video)
    wins, losses = int((pairs > 0).sum()), int((pairs < 0).sum())
    p_videos = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return PairedComparison(difference, deviation, math.sqrt(variance), p_seeds, p_videos)
