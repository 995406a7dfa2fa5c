import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.main_networks import InceptionI3D
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD, Consecutive, Random, TemporalAttention, Uniform

NUM_FRAMES, NUM_DISTILLED, SIZE = 8, 4, 48


def tsd(**changes):
    arguments = {
        "coarse_size": 32,
        "coarse_width": 0.25,
        "coarse_features_layer": "conv_pw_3_relu",
        "embedding_channels": 8,
        "initializer_stddev": 0.2,
        "logit_scale": 1e4,  # A MobileNet with random weights answers small numbers; P would be uniform.
        **changes,
    }
    return TSD(NUM_FRAMES, NUM_DISTILLED, **arguments)


def make(selector):
    network = FewFrameNetwork(selector, InceptionI3D(5, width=0.05, dropout_rate=0.0))
    network.build((None, NUM_FRAMES, SIZE, SIZE, 3))
    return network


@pytest.fixture(scope="module")
def network():
    return make(tsd())


def clips(seed=0, batch=2):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, NUM_FRAMES, SIZE, SIZE, 3)).astype("float32")


def test_network_is_cloud_of_client(network):
    frames = clips()
    distilled = network.client(frames)
    assert tuple(distilled.shape) == (2, NUM_DISTILLED, SIZE, SIZE, 3)
    assert abs(ops.convert_to_numpy(distilled)).max() <= 1.0
    logits = ops.convert_to_numpy(network(frames))
    assert logits.shape == network.compute_output_shape(frames.shape) == (2, 5)
    np.testing.assert_allclose(ops.convert_to_numpy(network.cloud(distilled)), logits, atol=1e-5)


def test_client_is_equation_1_of_the_matrix(network):
    frames = clips(1)
    matrix = ops.convert_to_numpy(network.transformation_matrix(frames))
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    assert np.ptp(matrix) > 1e-3  # not uniform, or the comparison below would say little
    expected = np.einsum("bthwc,bts->bshwc", frames, matrix)
    np.testing.assert_allclose(ops.convert_to_numpy(network.client(frames)), expected, atol=1e-5)


def test_halves_share_no_variable_and_leave_none_out(network):
    client = {id(variable) for variable in network.selector.variables}
    cloud = {id(variable) for variable in network.main_network.variables}
    assert client
    assert cloud
    assert not client & cloud
    assert client | cloud == {id(variable) for variable in network.variables}


def test_gradients_reach_the_block_the_coarse_extractor_and_the_main_network(gradients):
    network = make(tsd(logit_scale=1.0))
    found = gradients(network, lambda logits: ops.sum(logits[:, 0] - logits[:, 1]), clips(2), training=True)
    assert len(found) == len(network.trainable_variables)
    for part in ("w_alpha/kernel", "w_beta/kernel", "w_gamma/kernel", "conv1/kernel", "Conv3d_1a_7x7/conv_3d/kernel"):
        matching = [gradient for path, gradient in found.items() if path.endswith(part)]
        assert len(matching) == 1, part
        assert np.abs(matching[0]).max() > 0, part
    assert all(gradient is not None for gradient in found.values())


@pytest.mark.parametrize("selector_class", [TSD, Uniform])
def test_save_and_load(tmp_path, selector_class):
    network = make(tsd() if selector_class is TSD else selector_class(NUM_FRAMES, NUM_DISTILLED))
    frames = clips(3)
    expected = ops.convert_to_numpy(network(frames))
    path = str(tmp_path / "network.keras")
    network.save(path)
    again = keras.saving.load_model(path)
    assert again.selector.get_config() == network.selector.get_config()
    assert again.main_network.get_config() == network.main_network.get_config()
    assert len(again.variables) == len(network.variables)
    np.testing.assert_allclose(ops.convert_to_numpy(again(frames)), expected, atol=1e-6)


def test_weights_go_from_one_network_to_another(tmp_path, network):
    other = make(tsd())
    path = str(tmp_path / "network.weights.h5")
    network.save_weights(path)
    assert not all(np.array_equal(a, b) for a, b in zip(network.get_weights(), other.get_weights(), strict=True))
    other.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), other.get_weights(), strict=True))


def test_parts_that_are_built_already_are_not_built_again():
    selector = tsd()
    selector.build((None, NUM_FRAMES, SIZE, SIZE, 3))
    num_variables = len(selector.variables)
    assert len(make(selector).selector.variables) == num_variables


def test_consecutive_frames_reach_the_main_network_untouched():
    network = make(Consecutive(NUM_FRAMES, NUM_DISTILLED))
    frames = clips(4)
    np.testing.assert_array_equal(ops.convert_to_numpy(network.client(frames)), frames[:, :NUM_DISTILLED])


def test_seeds_reach_the_selector():
    network = make(Random(NUM_FRAMES, NUM_DISTILLED))
    frames = clips(5)
    seeds = np.array([(4, 2), (4, 3)], "int32")
    matrix = ops.convert_to_numpy(network.transformation_matrix(frames, seeds=seeds))
    indices = matrix.argmax(axis=1)
    distilled = ops.convert_to_numpy(network.client(frames, seeds=seeds, training=True))
    np.testing.assert_array_equal(distilled, np.stack([clip[i] for clip, i in zip(frames, indices, strict=True)]))
    answers = [ops.convert_to_numpy(network(frames, seeds=seeds)) for seeds in (seeds, seeds, seeds + 1)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    assert np.abs(answers[0] - answers[2]).max() > 1e-4  # ten times what rounding may do


def test_temporal_attention_trains_on_all_frames_and_tests_on_the_best(gradients):
    coarse = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_1_relu"}
    network = make(TemporalAttention(NUM_FRAMES, NUM_DISTILLED, **coarse))
    frames = clips(6)
    assert tuple(network.client(frames, training=True).shape) == frames.shape
    assert tuple(network.client(frames).shape) == (2, NUM_DISTILLED, SIZE, SIZE, 3)
    found = gradients(network, lambda logits: ops.sum(logits[:, 0] - logits[:, 1]), frames, training=True)
    (gradient,) = [gradient for path, gradient in found.items() if path.endswith("score/kernel")]
    assert np.abs(gradient).max() > 0


def test_frames_of_another_length_are_refused(network):
    with pytest.raises(ValueError, match=r"expects frames of shape \(batch, 8, height, width, 3\). Received: .*9"):
        FewFrameNetwork(tsd(), InceptionI3D(5, width=0.05)).build((None, NUM_FRAMES + 1, SIZE, SIZE, 3))
