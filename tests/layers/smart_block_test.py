import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import ArtBlock, SmartBlock


def test_appearance_and_relation():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((2, 4, 5, 6, 3)).astype("float32")
    block = SmartBlock(4, 3)
    answer = ops.convert_to_numpy(block(inputs))
    appearance = ops.convert_to_numpy(block.appearance(inputs))
    squared = ops.convert_to_numpy(block.relation(inputs)) ** 2
    pairs = np.stack([(squared[..., 2 * i] + squared[..., 2 * i + 1]) / 2 for i in range(2)], axis=-1)
    relation = ops.convert_to_numpy(block.relation_norm(pairs))
    both = np.maximum(np.concatenate([appearance, relation], axis=-1), 0)
    expected = np.einsum("bthwi,io->bthwo", both, ops.convert_to_numpy(block.reduction.kernel)[0, 0, 0])
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)
    assert tuple(block.appearance.conv.kernel.shape) == (1, 3, 3, 3, 4)
    assert tuple(block.relation.conv.kernel.shape) == (3, 3, 3, 3, 4)


def test_round_trip_and_error():
    block = SmartBlock(4, 3, 2, use_bias=True, batch_norm_momentum=0.5, name="smart")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert again.get_config() == block.get_config()
    with pytest.raises(ValueError, match="`filters` must be even.*Received: filters=3"):
        SmartBlock(3, 3)


def test_biases_come_on_request():
    for smart, expected in ((True, 5), (False, 3)):
        block = ArtBlock(4, 2, smart, use_bias=True, name="block")
        block.build((None, 4, 6, 6, 2))
        assert sum(variable.path.endswith("/bias") for variable in block.variables) == expected
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
        assert again.get_config() == block.get_config()


@pytest.mark.parametrize(("strides", "smart"), [(1, True), (1, False), (2, True)])
def test_the_shortcut_of_an_art_block_carries_the_sum(strides, smart):
    """With all kernels of the second layer at zero, what is left is the shortcut."""
    inputs = np.random.default_rng(1).standard_normal((1, 4, 6, 6, 4)).astype("float32")
    block = ArtBlock(4 * strides, strides, smart)
    block.build(inputs.shape)
    kernel = block.second.reduction.kernel if smart else block.second.kernel
    kernel.assign(np.zeros(kernel.shape))
    answer = ops.convert_to_numpy(block(inputs))
    assert answer.shape == block.compute_output_shape(inputs.shape)
    if strides == 1:
        np.testing.assert_allclose(answer, inputs, atol=1e-6)
    else:
        x = np.maximum(ops.convert_to_numpy(block.batch_norm(inputs)), 0)
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (1, 1), (0, 0)])
        expected = ops.convert_to_numpy(ops.conv(padded, block.shortcut.kernel, strides=2, padding="valid"))
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_an_art_block_of_stride_one_keeps_the_channels():
    with pytest.raises(ValueError, match="Received: 2 channels, filters=4"):
        ArtBlock(4).build((None, 4, 4, 4, 2))
