import pytest

from tsd_tf.serving import json_tensors
from tsd_tf.serving.input_spec import InputSpec
from tsd_tf.serving.serving_error import ServingError

_FRAMES = {"frames": InputSpec("uint8", (-1, 2))}
_PICTURES = {"frames_bytes": InputSpec("string", (-1, 2))}
_FLOATS = {"x": InputSpec("float32", (-1, 2))}
_TWO = {"a": InputSpec("uint8", (-1,)), "b": InputSpec("string", (-1,))}


def _read(body, signature):
    return json_tensors.inputs_from_json(json_tensors.parse(body), signature)


@pytest.mark.parametrize(
    ("body", "signature", "row", "expected"),
    [
        ('{"instances": [[1, 2], [3, 4]]}', _FRAMES, True, {"frames": [[1, 2], [3, 4]]}),
        ('{"instances": [{"frames": [1, 2]}]}', _FRAMES, True, {"frames": [[1, 2]]}),
        ('{"inputs": [[1, 2]]}', _FRAMES, False, {"frames": [[1, 2]]}),
        ('{"inputs": {"frames": [[1, 2]]}}', _FRAMES, False, {"frames": [[1, 2]]}),
        ('{"instances": [[{"b64": "/w=="}, "x"]]}', _PICTURES, True, {"frames_bytes": [[b"\xff", b"x"]]}),
        (
            '{"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": {"b64": "eQ=="}}]}',
            _TWO,
            True,
            {"a": [1, 2], "b": [b"x", b"y"]},
        ),
        ('{"inputs": {"a": [1], "b": ["x"]}}', _TWO, False, {"a": [1], "b": [b"x"]}),
        ('{"inputs": [[1, 2.5]]}', _FLOATS, False, {"x": [[1, 2.5]]}),
    ],
)
def test_both_formats(body, signature, row, expected):
    inputs, is_row = _read(body, signature)
    assert is_row is row
    assert {alias: array.tolist() for alias, array in inputs.items()} == expected


@pytest.mark.parametrize(
    ("body", "signature", "message"),
    [
        ("", _FRAMES, "JSON Parse error: The document is empty"),
        ("{", _FRAMES, "JSON Parse error: .* at offset: 1"),
        (b"\xff\xfe\xfd", _FRAMES, "JSON Parse error"),
        ("[" * 100_000, _FRAMES, "JSON Parse error"),
        ("[1]", _FRAMES, "Is not object"),
        ("{}", _FRAMES, "Missing 'inputs' or 'instances' key"),
        ('{"instances": [[1, 2]], "inputs": 1}', _FRAMES, "expecting only one of 'inputs' or 'instances'"),
        ('{"instances": 3}', _FRAMES, "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', _FRAMES, "No values in 'instances' array"),
        ('{"instances": [1, {"frames": 1}]}', _FRAMES, "Expecting value/list but got object at item 1"),
        ('{"instances": [{"frames": [1, 2]}, [1, 2]]}', _FRAMES, "Expecting object but got list at item 1"),
        ('{"instances": [{"x": [1, 2]}]}', _FRAMES, "keys must be equal to: frames"),
        ('{"instances": [[1, 2]]}', _TWO, "instances is a plain list, but expecting list of objects"),
        ('{"inputs": {"a": [1]}}', _TWO, "Missing named input: b in 'inputs' object"),
        ('{"inputs": [1]}', _TWO, "inputs is a plain value/list, but expecting an object"),
        ('{"instances": [[1, 2, 3]]}', _FRAMES, r"must have shape \[\?,2\], every \? at least 1. Received: \[1,3\]"),
        (
            '{"instances": [[1, 2], [1]]}',
            _FRAMES,
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ('{"instances": [[1, 2], 3]}', _FRAMES, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ('{"instances": [[1, [2]]]}', _FRAMES, "Encountered list at unexpected level: 2 expected < 2"),
        ('{"instances": [[1, NaN]]}', _FRAMES, "JSON Value: NaN Type: Number is not of expected type: uint8"),
        ('{"instances": [[1, true]]}', _FRAMES, "Type: True is not of expected type: uint8"),
        ('{"instances": [[1, null]]}', _FRAMES, "Type: Null is not of expected type: uint8"),
        ('{"instances": [[1, "2"]]}', _FRAMES, 'JSON Value: "2" Type: String is not of expected type: uint8'),
        ('{"instances": [[1, 256]]}', _FRAMES, "must hold values of 0 to 255"),
        ('{"instances": [[{"b64": "!"}, "x"]]}', _PICTURES, "Unable to base64 decode"),
        ('{"instances": [[{"b65": ""}, "x"]]}', _PICTURES, "not formatted correctly for base64 data"),
        ('{"instances": [[1, "x"]]}', _PICTURES, "is not of expected type: string"),
        ('{"inputs": [[1, 1%s]]}' % ("0" * 400), _FLOATS, "input x must hold values of float32"),
        ('{"inputs": [[1, 2]]}', {"x": InputSpec("resource", (1, 2))}, "of type resource cannot be written as JSON"),
    ],
)
def test_bad_bodies(body, signature, message):
    with pytest.raises(ServingError, match=message) as caught:
        _read(body, signature)
    assert caught.value.http_status == 400
    assert len(caught.value.message) < 1100


def test_the_signature_name():
    assert json_tensors.signature_name({}) == ""
    assert json_tensors.signature_name({"signature_name": "jpeg"}) == "jpeg"
    with pytest.raises(ServingError, match="'signature_name' key must be a string value"):
        json_tensors.signature_name({"signature_name": 3})
