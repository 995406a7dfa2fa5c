import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import InceptionBlock

FILTERS = (2, 3, 4, 5, 6, 7)


def test_concatenates_its_four_branches_in_order():
    frames = np.random.default_rng(0).standard_normal((1, 4, 5, 6, 3)).astype("float32")
    block = InceptionBlock(FILTERS)
    answer = ops.convert_to_numpy(block(frames))
    b0, b1, b2, b3 = block.branches
    pooled = ops.max_pool(frames, 3, strides=1, padding="same")
    expected = [b0[0](frames), b1[1](b1[0](frames)), b2[1](b2[0](frames)), b3[1](pooled)]
    np.testing.assert_allclose(
        answer, np.concatenate([ops.convert_to_numpy(x) for x in expected], axis=-1), rtol=1e-5, atol=1e-6
    )
    assert answer.shape == block.compute_output_shape(frames.shape) == (1, 4, 5, 6, 2 + 4 + 6 + 7)


def test_kernels_of_the_table():
    block = InceptionBlock((64, 96, 128, 16, 32, 32))  # Mixed_3b
    block.build((None, 4, 8, 8, 192))
    kernels = [tuple(v.shape) for v in block.trainable_variables if v.path.endswith("kernel")]
    assert kernels == [
        (1, 1, 1, 192, 64),
        (1, 1, 1, 192, 96),
        (3, 3, 3, 96, 128),
        (1, 1, 1, 192, 16),
        (3, 3, 3, 16, 32),
        (1, 1, 1, 192, 32),
    ]


def test_configuration_round_trip_and_error():
    block = InceptionBlock(FILTERS, batch_norm_momentum=0.9, name="block")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert again.get_config() == block.get_config()
    with pytest.raises(ValueError, match=r"must hold 6 ints .* Received: filters=\(1, 2\)"):
        InceptionBlock((1, 2))
