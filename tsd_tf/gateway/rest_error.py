"""Errors as HTTP answers."""

import math
from collections.abc import Mapping

from aiohttp import web

from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError


def response(error: ServingError, headers: Mapping[str, str] | None = None) -> web.Response:
    """What a request is told that cannot be answered, as TensorFlow Serving says it.

    Args:
        error: why.
        headers: more of the answer.
    """
    added = dict(headers or {})
    if isinstance(error, Refusal) and error.retry_after is not None:
        added["Retry-After"] = str(math.ceil(error.retry_after))
    if error.http_status == 401:
        added["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": error.message}, status=error.http_status, headers=added)
