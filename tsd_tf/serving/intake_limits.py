"""Bounds on what strangers can make a server hold, common to the embedded server and the gateway."""

import dataclasses

from tsd_tf.contract.errors import UserError

_GRPC_MAX = 2**31 - 1  # bytes of a message that gRPC can be told of


@dataclasses.dataclass(frozen=True)
class IntakeLimits:
    """Bounds on connections and on requests, before anyone looks at what they ask for.

    Attributes:
        max_message_bytes: of one gRPC message or HTTP body, inflated if it came compressed. A full-size clip is 1.5 MB
            as uint8 frames.
        max_request_bytes: of all requests together that arrive or are answered. Beyond it the largest that still
            arrive give way.
        max_json_values: numbers, strings, lists and objects in an HTTP body. A full-size clip is 2 million.
        max_concurrent_requests: that are answered at the same time, both protocols together. As many more may still
            arrive; beyond that the oldest of these give way.
        max_connections: of each protocol. Beyond it those give way that have waited longest without a request.
        max_connections_per_address: the same for one address, or for one network of IPv6 (/64).
        header_seconds: within which a connection shakes hands, and sends the head of a request that it has begun.
        body_seconds: within which a request's message or body arrives, and its answer is read.
        idle_seconds: that a connection may wait without a request.
        connection_seconds: after which a connection is ended when it has no request.
        shutdown_grace: most seconds from SIGTERM to the end, in which requests may finish.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_request_bytes: int = 512 * 1024 * 1024
    max_json_values: int = 4_000_000
    max_concurrent_requests: int = 512
    max_connections: int = 1000
    max_connections_per_address: int = 250
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 300.0
    connection_seconds: float = 3600.0
    shutdown_grace: float = 30.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type in ("int", int):
                if value < 1:
                    raise UserError(f"`{field.name}` must be at least 1. Received: {field.name}={value}")
            elif field.name in self._may_be_zero:
                if not value >= 0:
                    raise UserError(f"`{field.name}` must not be negative. Received: {field.name}={value}")
            elif not value > 0:
                raise UserError(f"`{field.name}` must be positive. Received: {field.name}={value}")
        if self.max_message_bytes > _GRPC_MAX:
            raise UserError(
                f"`max_message_bytes` must be at most {_GRPC_MAX}. Received: max_message_bytes={self.max_message_bytes}"
            )
        if self.max_request_bytes < self.max_message_bytes:
            raise UserError(
                "`max_request_bytes` must not be less than `max_message_bytes`. Received: "
                f"max_request_bytes={self.max_request_bytes}, max_message_bytes={self.max_message_bytes}"
            )

    @property
    def _may_be_zero(self) -> tuple[str, ...]:
        return ("shutdown_grace",)
