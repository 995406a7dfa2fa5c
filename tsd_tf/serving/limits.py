"""Bounds on what requests can make the server do."""

import dataclasses

from tsd_tf.serving.intake_limits import IntakeLimits


@dataclasses.dataclass(frozen=True)
class Limits(IntakeLimits):
    """Bounds of the embedded server; beyond its own RESOURCE_EXHAUSTED, HTTP 429.

    Attributes:
        max_batch_size: clips of one request, and of one call of the model.
        max_queue: clips that wait.
        batch_timeout: seconds that a request waits for others while the model is idle.
        num_batch_threads: calls of the model at the same time.

    The others are IntakeLimits'.
    """

    max_batch_size: int = 16
    max_queue: int = 256
    batch_timeout: float = 0.0
    num_batch_threads: int = 2

    @property
    def _may_be_zero(self) -> tuple[str, ...]:
        return (*super()._may_be_zero, "batch_timeout")
