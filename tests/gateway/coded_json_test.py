"""Bodies of REST that may be requests with coded clips."""

import base64
import json

import numpy as np
import pytest

from tsd_tf.gateway import coded_json
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.refusal import Refusal

_INPUTS = {
    "packets": [[{"b64": "AAE="}, "x"], [{"b64": ""}]],
    "codec": ["h264", {"b64": "dnA5"}],
    "order": [[1, 0], [0, 1]],
}


def _may_be_coded(body, max_bytes=1 << 24):
    cost = JsonCost(1 << 30)
    cost.add(body)
    return coded_json.may_be_coded(body, cost, max_bytes)


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
        b'{"signature_name": "", "inputs": ["coded"]}',
        b'{"signature_name": "coded", "inputs": 1' + b"0" * 2000 + b"}",
        b"\xff",
        b"[" * 100_000,
        b'{"a": 1e999999',
    ],
)
def test_what_is_for_somebody_else(body):
    assert coded_json.read(body) is None


def test_pictures():
    """Wherever they are: what is none is for somebody else to say."""
    pictures = [bytes([value]) * 900 for value in range(3)]
    b64 = [{"b64": base64.b64encode(picture).decode()} for picture in pictures]
    for inputs in ([b64], {"frames_bytes": [b64]}, [[*b64, {"b64": "!" * 2001}, "short", 3]]):
        found = _read(signature_name="jpeg", inputs=inputs)
        assert [contents for contents in found.contents() if contents] == pictures


def test_a_large_body_is_not_parsed():
    """Whoever asks for pictures by lists of numbers does not keep the gateway busy."""
    body = b'{"signature_name": "coded", "inputs": [' + b"0," * 8_000_000 + b"0]}"
    assert not _may_be_coded(body)
    assert not _may_be_coded(body.replace(b'"coded"', b'"jpeg"'))
    assert _may_be_coded(json.dumps({"signature_name": "coded", "inputs": _INPUTS}).encode())
    picture = json.dumps({"signature_name": "jpeg", "inputs": [[{"b64": "A" * 2000}]]}).encode()
    assert _may_be_coded(picture)
    assert _may_be_coded(picture.replace(b"jpeg", b"jp\\u0065g"))


@pytest.mark.parametrize(
    ("body", "max_bytes", "text"),
    [
        ({"x": "A" * 2000, "inputs": [0] * 50_000}, 1 << 24, "expected less than 50000 values in a body with long"),
        ({"x": "\n", "inputs": [0] * 50_000}, 1 << 24, "expected less than 50000 values in a body with long strings"),
        ({"inputs": ["A" * 1_500_000]}, 100_000, "expected at most 100000 bytes of coded pictures"),
    ],
)
def test_what_hides_pictures_is_refused(body, max_bytes, text):
    """Whoever looks for them would be busy for long."""
    with pytest.raises(Refusal, match=text) as caught:
        _may_be_coded(json.dumps(body).encode(), max_bytes)
    assert caught.value.http_status == 413


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
