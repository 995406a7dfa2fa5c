import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import InceptionV2Block

FULL = {"single": 2, "triple": (3, 4), "double": (5, 6, 7), "projection": ("avg", 8)}
STRIDED = {"single": None, "triple": (3, 4), "double": (5, 6, 7), "projection": ("max", None)}


@pytest.mark.parametrize(("arguments", "size", "channels"), [(FULL, (6, 6), 21), (STRIDED, (3, 3), 14)])
def test_concatenates_its_branches(arguments, size, channels):
    inputs = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype("float32")
    block = InceptionV2Block(**arguments)
    answer = ops.convert_to_numpy(block(inputs))
    assert answer.shape == block.compute_output_shape(inputs.shape) == (2, *size, channels)
    if arguments is STRIDED:
        pooled = ops.convert_to_numpy(ops.max_pool(inputs, 3, strides=2, padding="same"))
        np.testing.assert_array_equal(answer[..., -3:], pooled)
    else:
        np.testing.assert_allclose(answer[..., :2], ops.convert_to_numpy(block.branches[0][0](inputs)), atol=1e-5)
        padded = np.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)])
        pooled = sum(padded[:, h : h + 6, w : w + 6] for h in range(3) for w in range(3)) / 9
        projected = ops.convert_to_numpy(block.branches[-1][-1](pooled))
        np.testing.assert_allclose(answer[..., -8:], projected, rtol=1e-4, atol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert again.get_config() == block.get_config()


def test_a_projection_that_does_not_fit():
    with pytest.raises(ValueError, match=r"Received: single=2, projection=\('avg', None\)"):
        InceptionV2Block(**{**FULL, "projection": ("avg", None)})
    with pytest.raises(ValueError, match=r"Received: single=None, projection=\('avg', None\)"):
        InceptionV2Block(**{**STRIDED, "projection": ("avg", None)})
