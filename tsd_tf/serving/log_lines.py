"""What logs of every kind have in common: a JSON object a line, its time in UTC first."""

import datetime
import json
import time
from collections.abc import Mapping
from typing import Any


def json_line(event: str, values: Mapping[str, Any], seconds: float | None = None) -> str:
    """A line of a log, without its end.

    Args:
        event: what happened, in a word that programs may look for.
        values: what JSON can hold; other values are written as text.
        seconds: when, since 1970; None for now.
    """
    return json.dumps({"time": timestamp(seconds), "event": event, **values}, default=str)


def timestamp(seconds: float | None = None) -> str:
    """A time in UTC, to the millisecond; see json_line."""
    when = datetime.datetime.fromtimestamp(time.time() if seconds is None else seconds, datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds")
