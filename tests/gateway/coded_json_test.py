"""Bodies of REST that may be requests with coded clips."""

import json

import numpy as np
import pytest

from tsd_tf.gateway import coded_json
from tsd_tf.gateway.refusal import Refusal

_INPUTS = {
    "packets": [[{"b64": "AAE="}, "x"], [{"b64": ""}]],
    "codec": ["h264", {"b64": "dnA5"}],
    "order": [[1, 0], [0, 1]],
}


def _read(**document):
    return coded_json.read(json.dumps(document).encode())


@pytest.mark.parametrize("row", [False, True])
def test_both_formats(row):
    instances = [dict(zip(_INPUTS, values, strict=True)) for values in zip(*_INPUTS.values(), strict=True)]
    inputs, found = _read(signature_name="coded", **({"instances": instances} if row else {"inputs": _INPUTS}))
    assert found is row
    assert inputs["packets"].tolist() == [[b"\0\1", b"x"], [b"", b""]]
    assert inputs["codec"].tolist() == [b"h264", b"vp9"]
    assert inputs["order"].tolist() == [[1, 0], [0, 1]]
    assert [array.dtype for array in inputs.values()] == [object, object, np.uint8]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"coded",
        b'["coded"]',
        b'{"signature_name": "jpeg", "inputs": ["coded"]}',
        b"\xff",
        b"[" * 100_000,
        b'{"a": 1e999999',
    ],
)
def test_what_is_for_somebody_else(body):
    assert coded_json.read(body) is None


def test_a_large_body_is_not_parsed():
    """Whoever asks for pictures by lists of numbers does not keep the gateway busy."""
    body = b'{"signature_name": "coded", "inputs": [' + b"0," * 8_000_000 + b"0]}"
    assert not coded_json.may_be_coded(body)
    assert not coded_json.may_be_coded(body.replace(b'"coded"', b'"jpeg"'))
    assert coded_json.may_be_coded(json.dumps({"signature_name": "coded", "inputs": _INPUTS}).encode())


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "expected one of 'inputs' and 'instances'"),
        ({"inputs": _INPUTS, "instances": []}, "expected one of 'inputs' and 'instances'"),
        ({"inputs": [1]}, "expected 'inputs' as an object of packets, codec, order"),
        ({"inputs": {**_INPUTS, "more": 1}}, "expected 'inputs' as an object"),
        ({"instances": {}}, "expected a list in 'instances'"),
        ({"instances": [{"packets": []}]}, "expected element 0 of 'instances' as an object"),
        ({"inputs": {**_INPUTS, "codec": ["h264"]}}, "expected one entry a clip"),
        ({"inputs": {**_INPUTS, "packets": [["x"], "x"]}}, "expected a list in 'packets'"),
        ({"inputs": {**_INPUTS, "packets": [[None], []]}}, "expected strings"),
        ({"inputs": {**_INPUTS, "packets": [[{"b64": "A"}], []]}}, "unable to base64 decode"),
        ({"inputs": {**_INPUTS, "packets": [[{"b64": 1}], []]}}, "expected strings"),
        ({"inputs": {**_INPUTS, "order": [[0, 1], [0]]}}, "lists of the same length"),
        ({"inputs": {**_INPUTS, "order": [[0, 1], 0]}}, "lists of the same length"),
        ({"inputs": {**_INPUTS, "order": [[0, -1], [0, 1]]}}, "integers of 0 to 255"),
        ({"inputs": {**_INPUTS, "order": [[0, True], [0, 1]]}}, "integers of 0 to 255"),
        ({"inputs": {**_INPUTS, "order": [[0, 1.0], [0, 1]]}}, "integers of 0 to 255"),
    ],
)
def test_bad_requests(document, text):
    with pytest.raises(Refusal, match=text) as caught:
        _read(signature_name="coded", **document)
    assert (caught.value.http_status, caught.value.reason) == (400, "bad_json")


def test_padding_takes_no_memory():
    """One clip with many packets among many clips: together they would be a table of 400 million."""
    clips = [["x"] * 20_000] + [[]] * 20_000
    inputs = {"packets": clips, "codec": ["h264"] * 20_001, "order": [[0]] * 20_001}
    with pytest.raises(Refusal, match="too many packets: up to 20000 in each of 20001 clips"):
        _read(signature_name="coded", inputs=inputs)
