import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils

from tsd_tf.export.level_quantization import quantize_levels


def _converted(function, *specs):
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    return converter.convert()


def _kinds(contents):
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(contents))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    codes = [flatbuffer_utils.get_builtin_code_from_operator_code(code) for code in model.operatorCodes]
    return [names[codes[operator.opcodeIndex]] for operator in model.subgraphs[0].operators]


def _run(contents, value):
    interpreter = Interpreter(model_content=contents)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(answer["index"]), given, answer


@pytest.mark.parametrize("rounded", [True, False])
def test_levels_are_converted_by_fast_operations(rounded):
    """Every level times every hundredth: the product in float32, rounded to the nearest level."""

    def scaled(levels):
        values = tf.cast(tf.reshape(levels, (256, 1)), tf.float32) * (tf.range(101.0) / 100.0)
        return tf.reshape(tf.cast(tf.round(values) if rounded else values, tf.uint8), (1, 256, 101))

    before = _converted(scaled, tf.TensorSpec((1, 256), tf.uint8))
    assert _kinds(before).count("CAST") == 2
    after = quantize_levels(before)
    kinds = _kinds(after)
    assert not {"CAST", "ROUND"}.intersection(kinds)
    assert kinds.count("DEQUANTIZE") == kinds.count("QUANTIZE") == 1
    levels = np.arange(256, dtype="uint8")[None]
    found, given, answer = _run(after, levels)
    assert found.dtype == given["dtype"] == answer["dtype"] == np.uint8
    assert given["quantization"] == answer["quantization"] == (1.0, 0)
    product = levels[0, :, None].astype("float32") * (np.arange(101, dtype="float32") / np.float32(100))
    # Exact halves go to either side.
    assert np.abs(found[0] - product).max() <= 0.5 + 1e-5


def test_levels_saturate():
    """Where CAST would start again at 0."""
    contents = quantize_levels(
        _converted(lambda x: tf.cast(tf.cast(x, tf.float32) * 2.0 - 100.0, tf.uint8), tf.TensorSpec((3,), tf.uint8))
    )
    found, _, _ = _run(contents, np.array([10, 100, 200], "uint8"))
    np.testing.assert_array_equal(found, [0, 100, 255])


def test_a_rounded_value_that_is_read_elsewhere_stays():
    """ROUND goes only where nothing else reads it."""

    def function(levels):
        rounded = tf.round(tf.cast(levels, tf.float32) * 0.3)
        return tf.cast(rounded, tf.uint8), rounded + 1.0

    after = quantize_levels(_converted(function, tf.TensorSpec((1, 9), tf.uint8)))
    assert "ROUND" in _kinds(after)
    interpreter = Interpreter(model_content=after)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.arange(9, dtype="uint8")[None])
    interpreter.invoke()
    found = {np.dtype(d["dtype"]).name: interpreter.get_tensor(d["index"])[0] for d in interpreter.get_output_details()}
    expected = np.round(np.arange(9, dtype="float32") * np.float32(0.3))
    np.testing.assert_array_equal(found["float32"], expected + 1)
    np.testing.assert_array_equal(found["uint8"], expected)
