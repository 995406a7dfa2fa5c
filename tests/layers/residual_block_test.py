import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import ResidualBlock


@pytest.mark.parametrize(("filters", "strides", "num_variables"), [(3, 1, 10), (4, 1, 15), (3, 2, 15)])
def test_shortcut_projects_where_the_shape_changes(filters, strides, num_variables):
    inputs = np.random.default_rng(0).standard_normal((2, 5, 6, 4, 3)).astype("float32")
    block = ResidualBlock(filters, strides)
    answer = ops.convert_to_numpy(block(inputs))
    assert answer.shape == block.compute_output_shape(inputs.shape)
    assert len(block.variables) == num_variables
    branch = ops.convert_to_numpy(block.conv_2(block.conv_1(inputs)))
    shortcut = inputs if num_variables == 10 else ops.convert_to_numpy(block.shortcut(inputs))
    np.testing.assert_allclose(answer, np.maximum(branch + shortcut, 0), rtol=1e-4, atol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert again.get_config() == block.get_config()
