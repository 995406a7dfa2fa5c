"""Bounds on what clients can make the gateway do."""

import dataclasses

from tsd_tf.serving.intake_limits import IntakeLimits


@dataclasses.dataclass(frozen=True)
class Limits(IntakeLimits):
    """Bounds of the gateway; those of decoding are DecodingPool's.

    Attributes:
        backend_timeout: seconds that a request gets whose caller sets no deadline.
        health_seconds: between two looks at each backend, and what a look may take.
        drain_seconds: that new requests are still taken after SIGTERM, until whoever sends them has noticed.

    The others are IntakeLimits'.
    """

    max_concurrent_requests: int = 256
    backend_timeout: float = 30.0
    health_seconds: float = 5.0
    drain_seconds: float = 0.0

    @property
    def _may_be_zero(self) -> tuple[str, ...]:
        return (*super()._may_be_zero, "drain_seconds")
