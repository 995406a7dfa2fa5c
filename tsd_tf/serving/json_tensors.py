"""TensorFlow Serving's JSON mapping of tensors (its api_rest.md and util/json_tensor.cc)."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsd_tf.serving.input_spec import InputSpec
from tsd_tf.serving.serving_error import ServingError, invalid_argument

_STRING = "string"
_LONGEST_VALUE = 256
_JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not JSON, or not an object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_shown(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """The signature that a request names; "" for the default."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {_shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def inputs_from_json(document: dict[str, Any], inputs: Mapping[str, InputSpec]) -> tuple[dict[str, np.ndarray], bool]:
    """The inputs of a predict request, in row ("instances") or columnar ("inputs") format.

    Args:
        document: what `parse` returned.
        inputs: of the signature that is called.

    Returns:
        ({alias: array}, whether the request is in row format).

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    row = "instances" in document
    if row and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {_shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if not row and "inputs" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    values = _columns(document["instances"], document, inputs) if row else _named(document["inputs"], inputs)
    arrays = {}
    for alias, value in values.items():
        if alias not in inputs:
            raise invalid_argument(f"JSON object: does not have named input: {alias}")
        arrays[alias] = _array(alias, value, inputs[alias])
    return arrays, row


def _named(value: Any, inputs: Mapping[str, InputSpec]) -> dict[str, Any]:
    if isinstance(value, dict) and not _is_base64(value):
        for alias in inputs:
            if alias not in value:
                raise invalid_argument(f"Missing named input: {alias} in 'inputs' object.")
        return {alias: value[alias] for alias in inputs}
    if len(inputs) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    return {next(iter(inputs)): value}


def _columns(instances: Any, document: dict[str, Any], inputs: Mapping[str, InputSpec]) -> dict[str, Any]:
    if not isinstance(instances, list):
        raise invalid_argument(f"JSON Value: {_shown(document)} Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid_argument(f"JSON Value: {_shown(document)} No values in 'instances' array")
    objects = isinstance(instances[0], dict) and not _is_base64(instances[0])
    if not objects and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    for index, instance in enumerate(instances):
        is_object = isinstance(instance, dict) and not _is_base64(instance)
        if objects and not is_object:
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        if is_object and not objects:
            raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
        if objects and set(instance) != set(inputs):
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_shown(instance)} keys must be "
                f"equal to: {','.join(sorted(inputs))}"
            )
    if objects:
        return {alias: [instance[alias] for instance in instances] for alias in inputs}
    return {next(iter(inputs)): instances}


def _array(alias: str, value: Any, spec: InputSpec) -> np.ndarray:
    shape = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    spec.check(alias, shape)
    leaves: list[Any] = []
    _flatten(value, shape, 0, leaves)
    if spec.dtype == _STRING:
        return np.array([_bytes(leaf) for leaf in leaves], dtype=object).reshape(shape)
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError as error:
        raise invalid_argument(f"input {alias} of type {spec.dtype} cannot be written as JSON") from error
    integer = np.issubdtype(dtype, np.integer)
    for leaf in leaves:
        # bool is a kind of int in Python, but not in JSON.
        if type(leaf) is not int and (integer or type(leaf) is not float):
            raise _type_error(leaf, spec.dtype)
    if integer and not (np.iinfo(dtype).min <= min(leaves) and max(leaves) <= np.iinfo(dtype).max):
        bounds = f"{np.iinfo(dtype).min} to {np.iinfo(dtype).max}"
        raise invalid_argument(f"input {alias} must hold values of {bounds} ({spec.dtype})")
    try:
        return np.array(leaves, dtype).reshape(shape)
    except OverflowError as error:
        raise invalid_argument(f"input {alias} must hold values of {spec.dtype}") from error


def _flatten(value: Any, shape: Sequence[int], level: int, leaves: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        leaves.append(value)
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == len(shape) - 1 and not any(isinstance(element, list) for element in value):
        leaves.extend(value)
        return
    for element in value:
        _flatten(element, shape, level + 1, leaves)


def _bytes(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode()
    if isinstance(leaf, dict):
        if not _is_base64(leaf):
            raise invalid_argument(f"JSON Value: {_shown(leaf)} not formatted correctly for base64 data")
        try:
            return base64.b64decode(leaf["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid_argument("Unable to base64 decode") from error
    raise _type_error(leaf, _STRING)


def _type_error(leaf: Any, dtype: str) -> ServingError:
    kind = str(leaf) if isinstance(leaf, bool) else _JSON_TYPES[type(leaf)]
    return invalid_argument(f"JSON Value: {_shown(leaf)} Type: {kind} is not of expected type: {dtype}")


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _shown(value: Any) -> str:
    # Its beginning, without writing out a large document.
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{json.dumps(key[:_LONGEST_VALUE])}: ..." for key in list(value)[:8]) + "}"
    elif isinstance(value, list):
        text = f"[... {len(value)} values]"
    else:
        text = json.dumps(value[:_LONGEST_VALUE] if isinstance(value, str) else value)
    return text[:_LONGEST_VALUE]
