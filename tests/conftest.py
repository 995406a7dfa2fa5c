"""What all tests share."""

import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def test_data():
    """The folder of optional reference data, named by the environment variable TSD_TEST_DATA."""
    path = os.environ.get("TSD_TEST_DATA")
    if not path:
        pytest.skip("TSD_TEST_DATA names no folder of reference data")
    return pathlib.Path(path)


@pytest.fixture(scope="session")
def gradients():
    """A function: gradients of `loss(layer(*inputs, **arguments))` by variable path, on TensorFlow and on JAX."""
    import keras

    def by_path(layer, loss, *inputs, **arguments):
        variables = layer.trainable_variables
        if keras.backend.backend() == "jax":
            import jax

            others = [variable.value for variable in layer.non_trainable_variables]

            def value(trainable):
                return loss(layer.stateless_call(trainable, others, *inputs, **arguments)[0])

            values = jax.grad(value)([variable.value for variable in variables])
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                result = loss(layer(*inputs, **arguments))
            values = tape.gradient(result, [variable.value for variable in variables])
        return {
            variable.path: None if value is None else keras.ops.convert_to_numpy(value)
            for variable, value in zip(variables, values, strict=True)
        }

    return by_path
