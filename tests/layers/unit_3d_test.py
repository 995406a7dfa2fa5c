import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import Unit3D
from tsd_tf.layers.unit_3d import same_padding


def randomised(layer, seed=0):
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(0.2, 1.0, value.shape) * rng.choice([1, -1]) ** (value.ndim > 1)
                       for value in layer.get_weights()])  # fmt: skip
    return layer


def plain(unit, frames):
    """The unit by its definition: SAME convolution, batch norm without gamma, ReLU."""
    x = ops.convert_to_numpy(ops.conv(frames, unit.conv_3d.kernel, strides=unit.strides, padding="same"))
    norm = unit.batch_norm
    mean, variance, beta = map(ops.convert_to_numpy, (norm.moving_mean, norm.moving_variance, norm.beta))
    return np.maximum((x - mean) / np.sqrt(variance + 1e-3) + beta, 0.0)


@pytest.mark.parametrize("num_frames", [1, 4, 5, 6, 7])
@pytest.mark.parametrize(("kernel_size", "strides"), [(7, 2), (3, 2), (1, 2), ((1, 3, 3), (1, 2, 2)), (3, 1), (2, 2)])
def test_explicit_padding_equals_a_same_convolution(num_frames, kernel_size, strides):
    frames = np.random.default_rng(1).standard_normal((2, num_frames, 9, 8, 3)).astype("float32")
    unit = Unit3D(4, kernel_size, strides)
    unit.build(frames.shape)
    randomised(unit)
    answer = unit(frames, training=False)
    assert tuple(answer.shape) == unit.compute_output_shape(frames.shape)
    np.testing.assert_allclose(ops.convert_to_numpy(answer), plain(unit, frames), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "expected"),
    [
        (5, 7, 2, (3, 3)),
        (10, 7, 2, (2, 3)),
        (224, 7, 2, (2, 3)),
        (5, 1, 2, (0, 0)),
        (7, 3, 1, (1, 1)),
        (4, 2, 1, (0, 1)),
    ],
)
def test_the_odd_zero_comes_last(size, kernel_size, stride, expected):
    assert same_padding(size, kernel_size, stride) == expected


def test_batch_norm_has_no_gamma_and_no_bias_in_front():
    unit = Unit3D(4, 3)
    unit.build((None, 4, 8, 8, 3))
    assert [tuple(variable.shape) for variable in unit.trainable_variables] == [(3, 3, 3, 3, 4), (4,)]
    assert len(unit.non_trainable_variables) == 2


def test_moving_averages_move_in_training_only():
    frames = np.random.default_rng(2).standard_normal((2, 4, 8, 8, 3)).astype("float32") + 1
    unit = Unit3D(4, 1, batch_norm_momentum=0.5)
    unit(frames, training=False)
    before = ops.convert_to_numpy(unit.batch_norm.moving_mean)
    unit(frames, training=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(unit.batch_norm.moving_mean), before)
    unit(frames, training=True)
    x = ops.convert_to_numpy(ops.conv(frames, unit.conv_3d.kernel, padding="same"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(unit.batch_norm.moving_mean), 0.5 * x.mean(axis=(0, 1, 2, 3)), rtol=1e-3, atol=1e-5
    )


def test_configuration_round_trip():
    unit = Unit3D(4, (1, 3, 3), 2, batch_norm_momentum=0.9, epsilon=1e-5, name="unit")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(unit))
    assert again.get_config() == unit.get_config()
    assert (again.kernel_size, again.strides) == ((1, 3, 3), (2, 2, 2))


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_bfloat16_has_the_weight_gradient_of_float32(gradients, num_frames):
    """But for ReLUs near zero. At length 2, TensorFlow's own on CPU is garbage for a SAME convolution."""
    draw = np.random.default_rng(0)
    frames = draw.standard_normal((4, num_frames, 7, 7, 16)).astype("float32")
    toward = draw.standard_normal((4, num_frames, 7, 7, 32)).astype("float32")

    def loss(outputs):
        return ops.sum(ops.multiply(ops.cast(outputs, "float32"), toward))

    found = {}
    for dtype in ("float32", "mixed_bfloat16"):
        unit = Unit3D(32, 3, dtype=dtype, name="unit")
        unit.build(frames.shape)
        randomised(unit)
        assert unit.conv_3d.kernel.dtype == "float32"
        (found[dtype],) = (value for path, value in gradients(unit, loss, frames).items() if path.endswith("kernel"))
    difference = np.abs(found["mixed_bfloat16"] - found["float32"]).max()
    assert difference < 0.15 * np.abs(found["float32"]).max()
