"""How sharp P is, and warnings of a P that no longer learns, or does not begin to."""

import math
from typing import Any

from keras import ops

# Shares of log T. A healthy P lies far from both: its columns spread their mass over a handful of frames.
_SATURATED, _UNIFORM = 0.01, 0.995
_MOST_STEPS, _FEWEST_STEPS = 500, 10


def entropy_and_maximum(distributions: Any) -> tuple[Any, Any]:
    """Of every clip, the mean over its distributions.

    Args:
        distributions: (batch, T, distributions) float32: what `Selector.distributions` makes of P.

    Returns:
        Entropy in nats, from 0 (one frame) to log T (uniform), and maximum, from 1 / T to 1: both (batch,).
    """
    entropy = -ops.sum(distributions * ops.log(ops.maximum(distributions, 1e-30)), axis=1)
    return ops.mean(entropy, axis=1), ops.mean(ops.max(distributions, axis=1), axis=1)


class MatrixWatch:
    """Watches the entropy of P at every step of a stage, and warns once of each of two failures.

    Saturated columns are one-hot, and the softmax then passes no gradient on; uniform ones average the clip. Either has
    to last for half of the stage's steps, at least 10 and at most 500, before it counts.

    Args:
        num_frames: T.
        num_steps: of the stage.
    """

    def __init__(self, num_frames: int, num_steps: int) -> None:
        self.uniform_entropy = math.log(num_frames)
        self.patience = max(_FEWEST_STEPS, min(_MOST_STEPS, num_steps // 2))
        self.saturated_steps = 0
        self.uniform_steps = 0

    def update(self, entropy: float, maximum: float) -> str | None:
        """Takes the means of one step, see `entropy_and_maximum`; returns a warning, or None."""
        if self.uniform_entropy == 0:
            return None
        share = entropy / self.uniform_entropy
        self.saturated_steps = self.saturated_steps + 1 if share < _SATURATED else 0
        self.uniform_steps = self.uniform_steps + 1 if share > _UNIFORM else 0
        seen = f"for {self.patience} steps (entropy {entropy:.3g} of at most {self.uniform_entropy:.3g}, "
        seen += f"maximum {maximum:.3g})"
        if self.saturated_steps == self.patience:
            return (
                f"P has been saturated {seen}: every distilled frame is one frame of the clip, and no gradient passes. "
                "Start again with a `logit_scale` of 'auto', a smaller `initializer_stddev`, a smaller rate or a "
                "`client_gradient_clip_norm` of 1"
            )
        if self.uniform_steps == self.patience:
            return (
                f"P has been uniform {seen}: every distilled frame is the mean of the clip. Start again with a larger "
                "`initializer_stddev`, such as 0.1, or a `logit_scale` of 'auto'"
            )
        return None
