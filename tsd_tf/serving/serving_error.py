"""The one exception that answers a request: a gRPC status with its text, and the HTTP status that corresponds."""

import grpc

# TensorFlow Serving's own mapping (model_servers/http_server.cc).
_HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_LONGEST_MESSAGE = 1024


class ServingError(Exception):
    """A request that was refused or failed.

    Args:
        code: the status.
        message: one or more sentences; cut after 1024 characters, as TensorFlow Serving does.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        if len(message) > _LONGEST_MESSAGE:
            message = message[:_LONGEST_MESSAGE] + "...TRUNCATED"
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http_status(self) -> int:
        """The HTTP status code of this error."""
        return _HTTP_STATUS.get(self.code, 500)


def invalid_argument(message: str) -> ServingError:
    """The ServingError of a request that is itself wrong."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
