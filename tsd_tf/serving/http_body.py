"""Bodies of HTTP requests, read in bounded memory and time."""

import asyncio

import grpc
from aiohttp import web

from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.refusal import Refusal


async def read(request: web.Request, arrival: Arrival, limits: IntakeLimits, cost: JsonCost) -> bytes:
    """The body of a request, inflated if it came compressed.

    Args:
        request: whose body nobody has read yet.
        arrival: is told of its bytes as they come.
        limits: of its bytes and the seconds that it may take.
        cost: looks at the bytes as they come.

    Raises:
        Refusal: RESOURCE_EXHAUSTED (HTTP 413) if it is too large, of bytes or of values; DEADLINE_EXCEEDED (408) if it
            comes too slowly; INVALID_ARGUMENT (400) if it cannot be inflated; see also Arrival.
    """
    if (request.content_length or 0) > limits.max_message_bytes:
        raise _too_large(limits)
    try:
        return await arrival.receive(_read(request, arrival, limits, cost), limits.body_seconds)
    except web.RequestPayloadError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the body cannot be read", "bad_body") from error
    except ConnectionError as error:
        raise asyncio.CancelledError from error  # whoever sent it is gone


async def _read(request: web.Request, arrival: Arrival, limits: IntakeLimits, cost: JsonCost) -> bytes:
    # Not request.read(), which looks at the size when it has several times the limit.
    body = bytearray()
    while part := await request.content.readany():
        if len(body) + len(part) > limits.max_message_bytes:
            raise _too_large(limits)
        arrival.add(len(part))
        cost.add(part)
        body += part
    return bytes(body)


def _too_large(limits: IntakeLimits) -> Refusal:
    message = f"the body is larger than the {limits.max_message_bytes} bytes that this server accepts"
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_large")
