import numpy as np
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


def test_finds_the_steps_of_one_list():
    message = tf.train.SequenceExample()
    message.context.feature["i"].int64_list.value[:] = [3]
    values = [b"x" * length for length in (0, 1, 119, 127, 128, 16_384, 3_000_000)]  # lengths of one to four bytes
    for key in ("l", "other"):
        for value in values if key == "l" else [b"y"]:
            message.feature_lists.feature_list[key].feature.add().bytes_list.value.append(value)
    serialised = message.SerializeToString()
    context, steps, bounds = sequence_example.context_and_steps(serialised, "l")
    assert context == {"i": [3]}
    assert [sequence_example.step_value(step) for step in steps] == values
    assert sequence_example.context_and_steps(serialised, "none") == ({"i": [3]}, [], [])
    for first in range(len(values)):
        for last in range(first, len(values) + 1):
            stretch = sequence_example.steps_of(serialised[bounds[first] : bounds[last]])
            assert [sequence_example.step_value(step) for step in stretch] == values[first:last]


@pytest.mark.parametrize("stretch", [b"\x0a", b"\x0a\x05ab", b"\x12\x01a"])
def test_what_is_no_stretch_of_a_list(stretch):
    with pytest.raises(ValueError, match=r"no steps of a tf.train.SequenceExample"):
        sequence_example.steps_of(stretch)


def test_a_message_longer_than_protobuf_allows():
    with pytest.raises(ValueError, match="2147483648 bytes, where protobuf ends at 2 GiB"):
        sequence_example.decode(bytes(1 << 31))


def test_a_step_that_is_no_single_picture():
    message = sequence_example.encode({}, {"two": [[b"1", b"2"]], "number": [1]})
    for key, got in (("two", "bytes, bytes"), ("number", "int")):
        _, (step,), _ = sequence_example.context_and_steps(message, key)
        with pytest.raises(ValueError, match=f"expected one value of type bytes, got {got}$"):
            sequence_example.step_value(step)


@pytest.mark.parametrize("message", [b"no protobuf", b"\x0a\xff", b"\x0a\x05\x0a"])
def test_what_is_no_message(message):
    for read in (sequence_example.decode, lambda message: sequence_example.context_and_steps(message, "l")):
        with pytest.raises(ValueError, match=r"not a tf.train.SequenceExample"):
            read(message)


def test_random_damage_is_a_value_error_or_passes():
    whole = sequence_example.encode({"i": 1, "b": b"abc"}, {"l": [b"x" * 300, b"y" * 20], "t": [1, 2]})
    generator = np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(500):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[generator.integers(0, len(damaged), 3)] = generator.integers(0, 256, 3)
        try:
            _, steps, _ = sequence_example.context_and_steps(damaged.tobytes(), "l")
            assert all(isinstance(sequence_example.step_value(step), bytes) for step in steps)
            outcomes["read"] += 1
        except ValueError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0
