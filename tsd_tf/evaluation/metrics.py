"""Accuracies, in NumPy."""

import numpy as np


def top_k_correct(probabilities: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether the label is among the k highest scores; ties count against it.

    Args:
        probabilities: (num_videos, num_classes).
        labels: (num_videos,) ints.
        k: at least 1.

    Returns:
        (num_videos,) bool.
    """
    own = np.take_along_axis(probabilities, np.asarray(labels)[:, None], axis=1)
    better_or_equal = np.sum(probabilities >= own, axis=1) - 1
    return better_or_equal < k


def mean_and_standard_error(correct: np.ndarray) -> tuple[float, float]:
    """Mean of a (num_videos,) bool array, and its standard error sqrt(p (1 - p) / n)."""
    mean = float(np.mean(correct))
    return mean, float(np.sqrt(mean * (1.0 - mean) / len(correct)))


def per_class_accuracy(probabilities: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Top-1 accuracy of each class, NaN for a class without a video: (num_classes,) float64."""
    correct = top_k_correct(probabilities, labels, 1)
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels, weights=correct, minlength=num_classes)
    return np.divide(hits, counts, out=np.full(num_classes, np.nan), where=counts > 0)


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How many videos of each class were taken for each class.

    Its diagonal counts what `top_k_correct` with k = 1 calls correct: where the label ties with another class, the
    other one counts.

    Args:
        probabilities: (num_videos, num_classes).
        labels: (num_videos,) ints.
        num_classes: rows and columns.

    Returns:
        (num_classes, num_classes) int64: row the label, column the likeliest class.
    """
    # Here: it takes seconds to import, and training imports this module as well.
    from sklearn import metrics as sklearn_metrics

    labels = np.asarray(labels)
    scores = np.array(probabilities, "float64")
    scores[np.arange(len(labels)), labels] = np.where(top_k_correct(probabilities, labels, 1), np.inf, -np.inf)
    return sklearn_metrics.confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(num_classes))
