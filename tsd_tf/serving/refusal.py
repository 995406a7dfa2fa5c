"""The one exception with which a request is turned away before the model has seen it."""

import grpc

from tsd_tf.serving.serving_error import ServingError

_HTTP_STATUS = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403}
# Reasons for which HTTP has a status of its own.
_HTTP_STATUS_BY_REASON = {
    "method": 405,
    "too_large": 413,
    "too_many_values": 413,
    "slow_body": 408,
    "no_length": 411,
    "memory": 503,
}


class Refusal(ServingError):  # noqa: N818  an answer, and not always an error
    """A request that is not answered for its size, its form or the moment at which it comes.

    Args:
        code: the status.
        message: what was expected and what was received, for whoever sent the request.
        reason: a short word for metrics and logs.
        retry_after: seconds after which the same request may be answered; None if that is not known.
    """

    def __init__(self, code: grpc.StatusCode, message: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.reason, self.retry_after = reason, retry_after

    @property
    def http_status(self) -> int:
        """The HTTP status code of this refusal."""
        return _HTTP_STATUS_BY_REASON.get(self.reason) or _HTTP_STATUS.get(self.code, super().http_status)
