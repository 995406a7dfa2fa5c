"""Messages of gRPC requests, read in bounded memory and time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages, wire_format
from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.refusal import Refusal

# Those of sixteen clips of 256 frames that travel in three packets each are a quarter of it.
_MOST_FIELDS = 50_000
_SMALL, _FEW_FIELDS = 1 << 16, 100  # bytes, or fields whatever their bytes, that are looked at on the event loop
_TYPES = {
    messages.PREDICT: wire_format.PREDICT_REQUEST,
    messages.GET_MODEL_METADATA: wire_format.GET_MODEL_METADATA_REQUEST,
    messages.GET_MODEL_STATUS: wire_format.GET_MODEL_STATUS_REQUEST,
}
_OURS = "/tensorflow.serving."  # services of which the methods in _TYPES alone are answered
_Parsed = TypeVar("_Parsed")


async def receive(context: Any, arrival: Arrival, limits: IntakeLimits) -> bytes:
    """The one message of a call.

    Args:
        context: of the call, whose requests are bytes.
        arrival: is told of its bytes.
        limits: of its bytes and the seconds that it may take.

    Raises:
        Refusal: DEADLINE_EXCEEDED if it comes too slowly, RESOURCE_EXHAUSTED if there is none or it is too large; see
            also Arrival.
    """
    content = await arrival.receive(context.read(), limits.body_seconds)
    if content is grpc.aio.EOF:  # gRPC itself has said so to who sent it
        message = f"no message, or one that is larger than {limits.max_message_bytes} bytes"
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_large")
    arrival.add(len(content))
    return content


async def parse(method: str, content: bytes, parser: Callable[[bytes], _Parsed]) -> _Parsed:
    """A message that is worth to be parsed; that of a method which is only refused is not, and is taken as empty.

    Args:
        method: "/service/method" that is called.
        content: of the message.
        parser: makes something of it; in a thread if it has many parts.

    Raises:
        Refusal: INVALID_ARGUMENT if it is damaged, or has too many parts.
    """

    def parsed() -> _Parsed:
        if method in _TYPES:
            wire_format.check(content, _TYPES[method], _MOST_FIELDS)
        return parser(content)

    if method.startswith(_OURS) and method not in _TYPES:
        return parser(b"")  # refused whatever it says
    try:
        is_quick = len(content) <= _SMALL or _has_few_fields(method, content)
        return parsed() if is_quick else await asyncio.to_thread(parsed)
    except (ValueError, DecodeError) as error:
        message = f"the message cannot be read as a request to {method.rpartition('/')[2]}: {error}"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "bad_message") from error


def _has_few_fields(method: str, content: bytes) -> bool:
    if method not in _TYPES:
        return False
    try:
        wire_format.check(content, _TYPES[method], _FEW_FIELDS)
    except ValueError:
        return False
    return True
