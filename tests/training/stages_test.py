import numpy as np
import pytest

from tsd_tf.config import Stage
from tsd_tf.network_builder import build_network
from tsd_tf.selectors import Consecutive
from tsd_tf.training.frame_classifier import FrameClassifier
from tsd_tf.training.stages import stage_model


@pytest.fixture
def config(tiny_config):
    return tiny_config()


@pytest.fixture
def network(config):
    return build_network(config)


def names(variables):
    return {variable.path for variable in variables}


def test_stage_1_trains_the_client_alone(config, network):
    stage = stage_model(config.stages[0], network, config)
    assert stage.model is network
    assert names(stage.variables) == names(network.selector.trainable_variables)
    assert names(stage.variables) >= names(network.selector.tsd_block.variables)
    assert all(stage.is_client)
    assert network.main_network.trainable_variables == []


def test_stage_1_leaves_the_main_networks_batch_norm_in_inference_mode(config, network):
    stage = stage_model(config.stages[0], network, config)
    frames = np.random.default_rng(0).uniform(-1, 1, (2, 8, 64, 64, 3)).astype("float32")
    before = [np.asarray(variable) for variable in network.main_network.variables]
    client_before = [np.asarray(variable) for variable in network.selector.non_trainable_variables]
    stage.model(frames, training=True)
    for old, variable in zip(before, network.main_network.variables, strict=True):
        if "seed" not in variable.path:
            np.testing.assert_array_equal(old, np.asarray(variable), err_msg=variable.path)
    moved = [
        not np.array_equal(old, np.asarray(variable))
        for old, variable in zip(client_before, network.selector.non_trainable_variables, strict=True)
    ]
    assert any(moved)


def test_stage_1_keeps_the_main_networks_dropout_and_nothing_else_of_training(tiny_config):
    frames = np.random.default_rng(0).uniform(-1, 1, (2, 5, 64, 64, 3)).astype("float32")
    for dropout_rate in (0.0, 0.5):
        config = tiny_config(dropout_rate=dropout_rate)
        network = build_network(config)
        stage_model(config.stages[0], network, config)
        one, other = (np.asarray(network.main_network(frames, training=True)) for _ in range(2))
        used = np.asarray(network.main_network(frames, training=False))
        assert np.array_equal(one, other) == (dropout_rate == 0.0)
        if dropout_rate == 0.0:
            np.testing.assert_allclose(one, used, atol=1e-6)


def test_stage_2_trains_everything(config, network):
    stage_model(config.stages[0], network, config)
    stage = stage_model(config.stages[1], network, config)
    assert names(stage.variables) == names(network.trainable_variables)
    assert sum(stage.is_client) == len(network.selector.trainable_variables)
    assert sum(stage.is_client) < len(stage.variables)


def test_i3d_trains_on_consecutive_frames_of_its_own_length(config, network):
    stage = stage_model(Stage("i3d", "network", 2, 0.01, num_frames=6), network, config)
    assert stage.num_frames == 6
    assert isinstance(stage.model.selector, Consecutive)
    assert stage.model.main_network is network.main_network
    assert not any(stage.is_client)


def test_the_coarse_stage_trains_the_extractor_and_a_temporary_head(config, network):
    stage = stage_model(Stage("coarse", "coarse_extractor", 2, 0.05, num_frames=1), network, config)
    assert stage.num_frames == 1
    assert isinstance(stage.model, FrameClassifier)
    extractor = names(network.selector.coarse_extractor.trainable_variables)
    assert extractor
    assert names(stage.variables) - extractor == names(stage.model.logits.variables)
    assert not names(stage.variables) & names(network.selector.tsd_block.variables)


def test_the_last_layer_gets_its_own_rate(tiny_config):
    config = tiny_config(last_layer_rate_factor=10.0)
    network = build_network(config)
    stage = stage_model(config.stages[1], network, config)
    ten = {
        variable.path for variable, factor in zip(stage.variables, stage.rate_factors, strict=True) if factor == 10.0
    }
    assert ten == names(network.main_network.logits.variables)
    assert set(stage.rate_factors) == {1.0, 10.0}
