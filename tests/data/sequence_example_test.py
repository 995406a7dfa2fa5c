import pytest
import tensorflow as tf

from tsd_tf.data import sequence_example


def test_protobuf_reads_what_was_written():
    context = {"b": b"\xff\x00", "s": "größe", "i": [0, 1, -1, 2**62], "f": [0.5, 25.0]}
    lists = {"jpegs": [b"x" * 300, b""], "times": [40_000, 80_000]}
    message = tf.train.SequenceExample.FromString(sequence_example.encode(context, lists))
    feature = message.context.feature
    assert list(feature["b"].bytes_list.value) == [b"\xff\x00"]
    assert list(feature["s"].bytes_list.value) == ["größe".encode()]
    assert list(feature["i"].int64_list.value) == [0, 1, -1, 2**62]
    assert list(feature["f"].float_list.value) == [0.5, 25.0]
    steps = message.feature_lists.feature_list
    assert [step.bytes_list.value[0] for step in steps["jpegs"].feature] == [b"x" * 300, b""]
    assert [step.int64_list.value[0] for step in steps["times"].feature] == [40_000, 80_000]


def test_bytes_are_protobufs_own_deterministic_ones():
    written = sequence_example.encode({"z": 1, "a": "x"}, {"k": [b"1", b"2"]})
    assert written == tf.train.SequenceExample.FromString(written).SerializeToString(deterministic=True)


def test_mixed_types_are_refused():
    with pytest.raises(TypeError, match="all of one type"):
        sequence_example.encode({"a": [1, "x"]}, {})


def test_reads_what_protobuf_wrote():
    message = tf.train.SequenceExample()
    message.context.feature["i"].int64_list.value[:] = [3, -1, 2**40]
    message.context.feature["f"].float_list.value[:] = [0.5, -2.0]
    message.context.feature["none"].bytes_list.SetInParent()
    for value in (b"x" * 1000, b""):
        message.feature_lists.feature_list["l"].feature.add().bytes_list.value.append(value)
    context, lists = sequence_example.decode(message.SerializeToString())
    assert context == {"i": [3, -1, 2**40], "f": [0.5, -2.0], "none": []}
    assert lists == {"l": [[b"x" * 1000], [b""]]}


@pytest.mark.parametrize("message", [b"no protobuf", b"\x0a\xff", b"\x0a\x05\x0a"])
def test_what_is_no_message(message):
    with pytest.raises(ValueError, match=r"not a tf.train.SequenceExample"):
        sequence_example.decode(message)
