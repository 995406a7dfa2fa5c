"""Warns of a P that no longer learns, or does not begin to."""

from tsd_tf.training.matrix_statistics import uniform_entropy

# Shares of log T. A healthy P lies far from both: its columns spread their mass over a handful of frames.
_SATURATED, _UNIFORM = 0.01, 0.995
_MOST_STEPS, _FEWEST_STEPS = 500, 10


class MatrixWatch:
    """Looks at the entropy of P at every step of a stage, and has a word to say once about either failure.

    Saturated columns are one-hot, and the softmax then passes no gradient on; uniform ones average the clip. Each has
    to last for half of the stage's steps, at most 500 and at least 10, before it counts.

    Args:
        num_frames: T.
        num_steps: of the stage.
    """

    def __init__(self, num_frames, num_steps):
        self.uniform_entropy = uniform_entropy(num_frames)
        self.patience = max(_FEWEST_STEPS, min(_MOST_STEPS, num_steps // 2))
        self.saturated_steps = 0
        self.uniform_steps = 0

    def update(self, entropy, maximum):
        """Takes the means of one step, in nats and from 0 to 1; returns a warning, or None."""
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
                "Start again with a smaller --logit_scale, as 1 / sqrt(H W C'), a smaller --initializer_stddev or "
                "--client_gradient_clip_norm=1"
            )
        if self.uniform_steps == self.patience:
            return (
                f"P has been uniform {seen}: every distilled frame is the mean of the clip. Start again with a larger "
                "--initializer_stddev, as 0.1, or a larger --logit_scale"
            )
        return None
