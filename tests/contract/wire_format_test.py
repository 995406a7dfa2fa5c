import numpy as np
import pytest
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages, wire_format


def _request():
    request = messages.predict_request("tsd", "jpeg", {"frames_bytes": np.array([[b"one", b"two"]], object)})
    request.model_spec.version.value = 300
    return request.SerializeToString()


def test_it_counts_the_fields_of_messages_in_messages():
    # model_spec: name, version with its value, signature_name; inputs: name, tensor with type, shape of two sizes and
    # two strings; two filters
    fields = 1 + 4 + 1 + 1 + 1 + 1 + (1 + 2 * 2) + 2 + 2
    wire_format.check(_request(), wire_format.PREDICT_REQUEST, fields)
    with pytest.raises(ValueError, match="the message has too many fields"):
        wire_format.check(_request(), wire_format.PREDICT_REQUEST, fields - 1)


@pytest.mark.parametrize("length", range(1, 40))
def test_what_is_cut_off(length):
    whole = _request()
    cut = whole[:-length]
    if _parses(cut):
        wire_format.check(cut, wire_format.PREDICT_REQUEST, 1000)
    else:
        with pytest.raises(ValueError, match="the message is cut off"):
            wire_format.check(cut, wire_format.PREDICT_REQUEST, 1000)


def _parses(content):
    try:
        messages.PredictRequest.FromString(content)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xff\xff", "cut off"),
        (b"\xff" * 11, "cut off"),
        (b"\x0b", "damaged"),  # a group
        (b"\x0f", "damaged"),  # no type of a field at all
        (b"\x0a\x05a", "cut off"),
        (b"\x09\0\0", "cut off"),
        (b"\x12\x06\x12\x04\x72\x02\x0a\x00", "handles or variants"),
        (b"\x12\x06\x12\x04\x7a\x02\x0a\x00", "handles or variants"),
    ],
)
def test_what_is_no_request(content, text):
    with pytest.raises(ValueError, match=text):
        wire_format.check(content, wire_format.PREDICT_REQUEST, 1000)


def test_millions_of_parts_are_not_parsed():
    """Nine million bytes that protobuf takes seconds and half a gigabyte for."""
    content = b"".join(b"\x12\x08\x0a\x06%06d" % index for index in range(100_000))
    with pytest.raises(ValueError, match="too many fields"):
        wire_format.check(content, wire_format.PREDICT_REQUEST, 50_000)


def test_entries_that_no_request_has():
    """A thousand inputs are refused before the others are counted, and the strings of a tensor may be many more."""
    content = b"".join(b"\x12\x08\x0a\x06%06d" % index for index in range(1001))
    with pytest.raises(ValueError, match="too many fields"):
        wire_format.check(content, wire_format.PREDICT_REQUEST, 50_000)
    strings = messages.predict_request("tsd", "jpeg", {"frames_bytes": np.array([[b"x"] * 5000], object)})
    wire_format.check(strings.SerializeToString(), wire_format.PREDICT_REQUEST, 50_000)


@pytest.mark.parametrize("place", ["model", "signature", "label", "input", "filter"])
def test_names_that_nobody_has(place):
    for length, fits in ((1024, True), (1025, False)):
        name = "x" * length
        request = messages.PredictRequest(output_filter=[name if place == "filter" else "y"])
        spec = {"model": "name", "signature": "signature_name", "label": "version_label"}
        if place in spec:
            setattr(request.model_spec, spec[place], name)
        messages.write_tensor(request.inputs[name if place == "input" else "y"], np.zeros(5000, np.uint8))
        content = request.SerializeToString()
        if fits:
            wire_format.check(content, wire_format.PREDICT_REQUEST, 100)
        else:
            with pytest.raises(ValueError, match="the message has a name of 1025 bytes"):
                wire_format.check(content, wire_format.PREDICT_REQUEST, 100)


def test_an_envelope_is_a_request():
    envelope = messages.PredictEnvelope.FromString(_request())
    assert (envelope.model_spec.name, envelope.model_spec.version.value) == ("tsd", 300)
    tensor = messages.TensorProto.FromString(envelope.inputs["frames_bytes"])
    assert messages.read_tensor(tensor).tolist() == [[b"one", b"two"]]
    head = messages.TensorHead.FromString(envelope.inputs["frames_bytes"])
    assert [dim.size for dim in head.tensor_shape.dim] == [1, 2]
    assert envelope.SerializeToString(deterministic=True) == messages.PredictRequest.FromString(
        _request()
    ).SerializeToString(deterministic=True)
