import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tsd_tf.export.lite_tsd_block import LiteTSDBlock
from tsd_tf.layers import TSDBlock


@pytest.mark.parametrize(
    ("frames", "distilled", "shape", "kernel"),
    [(8, 4, (3, 3, 6), 3), (5, 5, (4, 2, 3), 3), (6, 1, (1, 5, 4), 5), (4, 2, (2, 3, 5), 2), (3, 2, (2, 2, 4), 1)],
)
@pytest.mark.parametrize("scale", [0.02, "auto"])
def test_it_is_the_layer(frames, distilled, shape, kernel, scale):
    """Maps that are not square, kernels wider than the map, and even ones."""
    keras.utils.set_random_seed(1)
    block = TSDBlock(distilled, embedding_channels=7, output_kernel=kernel, initializer_stddev=0.3, logit_scale=scale)
    features = np.random.default_rng(0).normal(size=(1, frames, *shape)).astype("float32")
    expected = np.asarray(block(features))[0]
    found = np.asarray(LiteTSDBlock(block, shape)(features[0])).T
    np.testing.assert_allclose(found, expected, atol=2e-6)
    if frames > 3:
        assert 1.05 / frames < expected.max() < 0.999


@pytest.mark.parametrize("scale", [0.05, "auto"])
def test_columns_in_time_order(scale):
    """Sorted as the layer sorts them, in TFLite's builtin operations."""
    keras.utils.set_random_seed(2)
    shape, frames = (3, 3, 6), 8
    block = TSDBlock(5, embedding_channels=7, initializer_stddev=0.3, logit_scale=scale, in_time_order=True)
    features = np.random.default_rng(0).normal(size=(1, frames, *shape)).astype("float32")
    expected = np.asarray(block(features))[0]
    unsorted = TSDBlock(5, embedding_channels=7, initializer_stddev=0.3, logit_scale=scale)
    unsorted(features)
    unsorted.set_weights(block.get_weights())
    assert np.abs(np.asarray(unsorted(features))[0] - expected).max() > 0.01
    lite = LiteTSDBlock(block, shape)
    module = tf.Module()
    module.weights = lite.weights
    spec = tf.TensorSpec((frames, *shape), tf.float32)
    function = tf.function(lite.__call__, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    assert max(len(tensor["shape"]) for tensor in interpreter.get_tensor_details()) == 4
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], features[0])
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found.T, expected, atol=2e-6)
