import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import ConvNorm


@pytest.mark.parametrize(
    ("kernel_size", "strides", "size"),
    [
        ((7, 7), 2, (9, 8)),
        ((3, 3), 1, (5, 6)),
        ((1, 1), 2, (5, 6)),
        ((3, 7, 7), (1, 2, 2), (4, 8, 9)),
        ((3, 3, 3), 2, (5, 6, 4)),
    ],
)
@pytest.mark.parametrize("activation", [True, False])
def test_pads_half_a_kernel_on_both_sides(kernel_size, strides, size, activation):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((2, *size, 3)).astype("float32")
    layer = ConvNorm(4, kernel_size, strides, activation=activation, use_bias=True)
    layer.build(inputs.shape)
    layer.set_weights([rng.uniform(0.3, 1.0, value.shape) for value in layer.get_weights()])
    answer = ops.convert_to_numpy(layer(inputs))
    assert answer.shape == layer.compute_output_shape(inputs.shape)
    padded = np.pad(inputs, [(0, 0), *((edge // 2, edge // 2) for edge in kernel_size), (0, 0)])
    x = ops.convert_to_numpy(ops.conv(padded, layer.conv.kernel, strides=layer.strides, padding="valid"))
    norm = layer.batch_norm
    bias, gamma, beta, mean, variance = map(
        ops.convert_to_numpy, (layer.conv.bias, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    expected = (x + bias - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    np.testing.assert_allclose(answer, np.maximum(expected, 0) if activation else expected, rtol=1e-3, atol=1e-4)


def test_round_trip_and_error():
    layer = ConvNorm(4, (1, 3, 3), 2, activation=False, use_bias=True, batch_norm_momentum=0.5, name="unit")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match=r"two or three odd ints. Received: kernel_size=\(2, 3\)"):
        ConvNorm(4, (2, 3))
