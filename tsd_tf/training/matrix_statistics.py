"""How sharp P is: entropy and maximum of its columns."""

import math

from keras import ops

from tsd_tf.selectors import TSD, TemporalAttention


def is_learned(selector):
    """Whether the selector predicts P, so that there is something to watch."""
    return isinstance(selector, (TSD, TemporalAttention))


def entropy_and_maximum(matrix, selector):
    """Of every clip, the mean over the columns of P.

    Temporal attention is one distribution over the frames, on the diagonal of T a_i: it counts as one column.

    Args:
        matrix: P as the selector answers in training, (batch, T, columns) float32.
        selector: who made it.

    Returns:
        Entropy in nats, from 0 (one frame) to log T (uniform), and maximum, from 1 / T to 1: both (batch,).
    """
    if isinstance(selector, TemporalAttention):
        matrix = ops.sum(matrix, axis=2, keepdims=True) / selector.num_frames
    entropy = -ops.sum(matrix * ops.log(ops.maximum(matrix, 1e-30)), axis=1)
    return ops.mean(entropy, axis=1), ops.mean(ops.max(matrix, axis=1), axis=1)


def uniform_entropy(num_frames):
    """The entropy of a uniform column: log T."""
    return math.log(num_frames)
