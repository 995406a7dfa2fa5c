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
