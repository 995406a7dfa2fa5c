"""Bounds on what requests can make the server do."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of the embedded server; beyond them RESOURCE_EXHAUSTED, HTTP 413 or 429.

    Attributes:
        max_message_bytes: of one gRPC message or HTTP body. A full-size clip is 1.5 MB as uint8 frames.
        max_batch_size: clips of one request, and of one call of the model.
        max_queue: clips that wait.
        max_concurrent_requests: requests under way, for each protocol.
        batch_timeout: seconds that a request waits for others while the model is idle.
        num_batch_threads: calls of the model at the same time.
        shutdown_grace: seconds that requests get to finish after SIGTERM.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_batch_size: int = 16
    max_queue: int = 256
    max_concurrent_requests: int = 512
    batch_timeout: float = 0.0
    num_batch_threads: int = 2
    shutdown_grace: float = 30.0

    def __post_init__(self) -> None:
        for name in (
            "max_message_bytes",
            "max_batch_size",
            "max_queue",
            "max_concurrent_requests",
            "num_batch_threads",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        for name in ("batch_timeout", "shutdown_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}")
