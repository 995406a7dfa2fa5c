"""What the handlers of calls have in common that read their messages themselves."""

import asyncio
import math

import grpc

from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError


async def read(context: grpc.aio.ServicerContext, seconds: float) -> bytes | None:
    """The next message of a call; None if its client sends no more.

    Args:
        context: of a call whose requests are a stream.
        seconds: that the message may take.

    Raises:
        ServingError: DEADLINE_EXCEEDED: it took longer.
    """
    try:
        content = await asyncio.wait_for(context.read(), seconds)
    except asyncio.TimeoutError as error:
        raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no message within {seconds:g} s") from error
    return None if content is grpc.aio.EOF else content


async def end(context: grpc.aio.ServicerContext, error: ServingError) -> None:
    """Ends a call with an error, unless gRPC has ended it already, as for a message that is too large."""
    seconds = error.retry_after if isinstance(error, Refusal) else None
    metadata = () if seconds is None else (("retry-after", str(math.ceil(seconds))),)
    try:
        await context.abort(error.code, error.message, metadata)
    except grpc.aio.InternalError as internal:
        raise asyncio.CancelledError from internal
