"""Flags of the bounds that the embedded server and the gateway have in common."""

import dataclasses
from typing import Any

from absl import flags

from tsd_tf.serving.intake_limits import IntakeLimits

_HELP = {
    "max_message_bytes": "largest message or body",
    "max_request_bytes": "most bytes of all requests together",
    "max_json_values": "most numbers, strings, lists and objects in a body of HTTP",
    "max_concurrent_requests": "most requests that are answered at the same time",
    "max_connections": "most connections of each protocol",
    "max_connections_per_address": "most connections of each protocol from one address",
    "header_seconds": "time for a connection to shake hands, and for the head of a request",
    "body_seconds": "time for a request to arrive, and for its answer to be read",
    "idle_seconds": "time that a connection may wait without a request",
    "connection_seconds": "time after which a connection is ended once it has no request",
    "shutdown_grace": "most seconds from SIGTERM to the end",
}


def define(defaults: IntakeLimits) -> None:
    """Defines a flag for each field of IntakeLimits.

    Args:
        defaults: what the flags are by default.
    """
    for field in dataclasses.fields(IntakeLimits):
        value, text = getattr(defaults, field.name), _HELP[field.name]
        if isinstance(value, int):
            flags.DEFINE_integer(field.name, value, text, lower_bound=1)
        else:
            lowest = 0.0 if field.name == "shutdown_grace" else 0.001
            flags.DEFINE_float(field.name, value, text, lower_bound=lowest)


def values() -> dict[str, Any]:
    """{field: value of its flag}: arguments of IntakeLimits."""
    return {field.name: getattr(flags.FLAGS, field.name) for field in dataclasses.fields(IntakeLimits)}
