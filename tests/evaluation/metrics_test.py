import numpy as np
import pytest

from tsd_tf.evaluation import metrics

SCORES = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
LABELS = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [True, True, False, False]), (2, [True, True, True, False]), (3, [True] * 4)]
)
def test_top_k(k, expected):
    assert metrics.top_k_correct(SCORES, LABELS, k).tolist() == expected


def test_ties_count_against_the_label():
    assert metrics.top_k_correct(np.array([[0.5, 0.5]]), np.array([0]), 1).tolist() == [False]


def test_standard_error_is_that_of_a_share():
    mean, error = metrics.mean_and_standard_error(np.array([True, True, True, False]))
    assert mean == 0.75
    assert error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))


def test_per_class_accuracy_is_nan_where_nothing_was_tested():
    found = metrics.per_class_accuracy(SCORES, LABELS, 4)
    np.testing.assert_array_equal(found, [0.5, 1.0, 0.0, np.nan])
