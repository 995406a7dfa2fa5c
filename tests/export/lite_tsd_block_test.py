import keras
import numpy as np
import pytest

from tsd_tf.export.lite_tsd_block import LiteTSDBlock
from tsd_tf.layers import TSDBlock


@pytest.mark.parametrize(
    ("frames", "distilled", "shape", "kernel"),
    [(8, 4, (3, 3, 6), 3), (5, 5, (4, 2, 3), 3), (6, 1, (1, 5, 4), 5), (4, 2, (2, 3, 5), 2), (3, 2, (2, 2, 4), 1)],
)
def test_it_is_the_layer(frames, distilled, shape, kernel):
    """Maps that are not square, kernels wider than the map, and even ones."""
    keras.utils.set_random_seed(1)
    block = TSDBlock(distilled, embedding_channels=7, output_kernel=kernel, initializer_stddev=0.3, logit_scale=0.02)
    features = np.random.default_rng(0).normal(size=(1, frames, *shape)).astype("float32")
    expected = np.asarray(block(features))[0]
    found = np.asarray(LiteTSDBlock(block, shape)(features[0])).T
    np.testing.assert_allclose(found, expected, atol=2e-6)
    if frames > 3:
        assert 1.05 / frames < expected.max() < 0.999
