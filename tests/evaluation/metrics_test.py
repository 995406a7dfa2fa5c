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


def test_the_confusion_matrix_has_labels_as_rows():
    expected = np.zeros((4, 4), int)
    expected[0, 0] = expected[1, 1] = expected[2, 1] = expected[0, 2] = 1
    np.testing.assert_array_equal(metrics.confusion_matrix(np.pad(SCORES, ((0, 0), (0, 1))), LABELS, 4), expected)


def test_the_diagonal_of_the_confusion_matrix_is_what_counts_as_correct():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3, (200, 5)) / 2  # full of ties
    labels = rng.integers(0, 5, 200)
    matrix = metrics.confusion_matrix(scores, labels, 5)
    assert matrix.sum() == 200
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(labels, minlength=5))
    correct = metrics.top_k_correct(scores, labels, 1)
    np.testing.assert_array_equal(matrix.diagonal(), np.bincount(labels[correct], minlength=5))
