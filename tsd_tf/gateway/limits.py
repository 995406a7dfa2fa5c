"""Bounds on what clients can make the gateway do."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of the gateway; those of decoding are DecodingPool's.

    Attributes:
        max_message_bytes: of one gRPC message or HTTP body, inflated if it came compressed.
        max_concurrent_requests: requests under way, both protocols together; beyond them RESOURCE_EXHAUSTED, HTTP 429.
        max_connections: of HTTP; further ones are closed at once.
        header_seconds: within which a connection has to send the head of its next request, and to shake hands.
        body_seconds: within which a request's body has to arrive.
        backend_timeout: seconds that a request gets whose caller sets no deadline.
        health_seconds: between two looks at each backend, and what a look may take.
        drain_seconds: that new requests are still taken after SIGTERM, until whoever sends them has noticed.
        shutdown_grace: seconds that requests then get to finish.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_concurrent_requests: int = 256
    max_connections: int = 1000
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    backend_timeout: float = 30.0
    health_seconds: float = 5.0
    drain_seconds: float = 0.0
    shutdown_grace: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_message_bytes", "max_concurrent_requests", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        for name in ("header_seconds", "body_seconds", "backend_timeout", "health_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive. Received: {name}={getattr(self, name)}")
        for name in ("drain_seconds", "shutdown_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}")
