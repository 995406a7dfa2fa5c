"""TensorFlow Serving's JSON of a predict request's answer, without TensorFlow."""

import base64
import json
from typing import Any

import numpy as np


def outputs_to_json(outputs: dict[str, np.ndarray], row: bool) -> str:
    """The response body of a predict request.

    Args:
        outputs: {alias: array}.
        row: whether the request was in row format.
    """
    values = {alias: _values(alias, outputs[alias]) for alias in sorted(outputs)}
    if not row:
        body = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    elif len(values) > 1:
        columns = list(values.values())
        body = {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]}
    else:
        body = {"predictions": next(iter(values.values()))}
    return json.dumps(body, indent=1)


def _values(alias: str, array: np.ndarray) -> Any:
    leaves: list[Any]
    if array.dtype == np.float32:
        # The shortest decimal that reads back as the same float32, not as the same double.
        leaves = [float(str(value)) for value in array.ravel()]
    elif array.dtype != object:
        return array.tolist()
    elif alias.endswith("_bytes"):
        leaves = [{"b64": base64.b64encode(value).decode()} for value in array.ravel()]
    else:
        leaves = [value.decode("utf-8", "replace") for value in array.ravel()]
    return np.array(leaves, object).reshape(array.shape).tolist()
