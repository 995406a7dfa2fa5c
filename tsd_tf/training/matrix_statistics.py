"""How sharp P is: entropy and maximum of its columns."""

import math
from typing import Any

from keras import ops


def entropy_and_maximum(distributions: Any) -> tuple[Any, Any]:
    """Of every clip, the mean over its distributions.

    Args:
        distributions: (batch, T, distributions) float32: what `Selector.distributions` makes of P.

    Returns:
        Entropy in nats, from 0 (one frame) to log T (uniform), and maximum, from 1 / T to 1: both (batch,).
    """
    entropy = -ops.sum(distributions * ops.log(ops.maximum(distributions, 1e-30)), axis=1)
    return ops.mean(entropy, axis=1), ops.mean(ops.max(distributions, axis=1), axis=1)


def uniform_entropy(num_frames: int) -> float:
    """The entropy of a uniform column: log T."""
    return math.log(num_frames)
