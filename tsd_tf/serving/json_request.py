"""A predict request in JSON, whole."""

from typing import NamedTuple

import numpy as np

from tsd_tf.contract.signatures import SERVING_DEFAULT
from tsd_tf.serving import json_tensors
from tsd_tf.serving.input_spec import Signatures
from tsd_tf.serving.serving_error import invalid_argument


class JsonRequest(NamedTuple):
    """What a body asks for.

    Attributes:
        signature: its name.
        inputs: {alias: array}, which fit the signature.
        row: whether it is in row format.
    """

    signature: str
    inputs: dict[str, np.ndarray]
    row: bool


def read(body: bytes, signatures: Signatures) -> JsonRequest:
    """Reads a body.

    Args:
        body: JSON, or anything.
        signatures: that can be called.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    document = json_tensors.parse(body)
    name = json_tensors.signature_name(document) or SERVING_DEFAULT
    if name not in signatures:
        raise invalid_argument(f'Serving signature name: "{name[:256]}" not found in signature def')
    return JsonRequest(name, *json_tensors.inputs_from_json(document, signatures[name]))
