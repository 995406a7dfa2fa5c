import numpy as np
import pytest

from tsd_tf.export.batch_norm_folding import folded_copy
from tsd_tf.main_networks import InceptionI3D

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def networks():
    shape = (None, 4, 32, 32, 3)
    network = InceptionI3D(7, width=0.05)
    network.build(shape)
    draw = np.random.default_rng(0)
    for variable in network.variables:
        low, high = (0.5, 1.5) if "moving_variance" in variable.path else (-0.5, 0.5)
        variable.assign(draw.uniform(low, high, variable.shape))
    copy, variables = folded_copy(network, shape)
    return network, copy, variables, draw.uniform(-1, 1, (2, *shape[1:])).astype("float32")


def test_the_folded_copy_answers_alike(networks):
    network, copy, _, frames = networks
    expected = np.asarray(network(frames, training=False))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(np.asarray(copy(frames, training=False)), expected, atol=1e-4 * np.abs(expected).max())


def test_one_kernel_by_hand(networks):
    network, copy, _, _ = networks
    unit, folded = network.blocks[0], copy.blocks[0]
    scale = 1 / np.sqrt(np.asarray(unit.batch_norm.moving_variance) + 1e-3)
    np.testing.assert_allclose(folded.conv_3d.kernel, np.asarray(unit.conv_3d.kernel) * scale, rtol=1e-5)
    bias = np.asarray(unit.batch_norm.beta) - np.asarray(unit.batch_norm.moving_mean) * scale
    np.testing.assert_allclose(folded.batch_norm.variable, bias, rtol=1e-5, atol=1e-6)


def test_the_original_is_untouched_and_no_statistics_are_left(networks):
    network, _, variables, frames = networks
    assert any("moving_variance" in variable.path for variable in network.variables)
    # 57 convolutions with a kernel and a bias each, and the logits' kernel and bias.
    assert len(variables) == 57 * 2 + 2
    assert not np.allclose(np.asarray(network(frames, training=True)), np.asarray(network(frames, training=False)))


def test_it_cannot_be_trained(networks):
    _, copy, _, frames = networks
    with pytest.raises(ValueError, match="cannot be trained"):
        copy(frames, training=True)
