"""What holds for every main network, and what numbers each of them has."""

import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.main_networks import C3D, TSN, ARTNetResNet18, InceptionI3D, ResNet3D18
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD

pytestmark = pytest.mark.slow

# A T_s that the network can take.
NETWORKS = [(InceptionI3D, 5), (TSN, 5), (ARTNetResNet18, 5), (C3D, 16), (ResNet3D18, 5)]
TINY = {"width": 0.04, "dropout_rate": 0.0}


def clips(num_frames, batch=2, size=32):
    return np.random.default_rng(0).uniform(-1, 1, (batch, num_frames, size, size, 3)).astype("float32")


def without_batch_norm(model):
    return sum(
        int(np.prod(variable.shape))
        for variable in model.trainable_variables
        if variable.path.rsplit("/", 1)[1] in ("kernel", "bias")
    )


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_parameters_of_c3d():
    model = C3D(400)
    model.build((None, 16, 112, 112, 3))
    assert trainable(model) == 79_634_576


def test_parameters_of_resnet_3d_18():
    model = ResNet3D18(400)
    model.build((None, 16, 112, 112, 3))
    assert trainable(model) == 33_371_472


def test_parameters_of_artnet():
    model = ARTNetResNet18(400)
    model.build((None, 16, 112, 112, 3))
    assert without_batch_norm(model) == 39_662_608


def test_parameters_of_tsn():
    model = TSN(400)
    model.build((None, 10, 224, 224, 3))
    assert without_batch_norm(model) == 10_660_208


@pytest.mark.parametrize(("network", "num_frames"), NETWORKS)
def test_training_reaches_every_layer_without_a_call_context(network, num_frames):
    """As in Keras' JAX trainer, where `stateless_call` runs `call` alone."""
    model = network(3, **TINY)
    frames = clips(num_frames)
    model.build(frames.shape)
    values = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    for training in (True, False):
        stateless, _ = model.stateless_call(values, others, frames, training=training)
        expected = ops.convert_to_numpy(model(frames, training=training))
        np.testing.assert_allclose(ops.convert_to_numpy(stateless), expected, atol=1e-5)
        for variable, value in zip(model.non_trainable_variables, others, strict=True):
            variable.assign(value)


@pytest.mark.parametrize(("network", "num_frames"), NETWORKS)
def test_tsd_trains_in_front_of_it(network, num_frames, gradients):
    coarse = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_1_relu"}
    selector = TSD(num_frames + 1, num_frames, embedding_channels=4, **coarse)
    model = FewFrameNetwork(selector, network(3, **TINY))
    frames = clips(num_frames + 1)
    model.build(frames.shape)
    found = gradients(model, lambda logits: ops.sum(logits[:, 0] - logits[:, 1]), frames, training=True)
    for part in ("w_alpha/kernel", "w_beta/kernel", "w_gamma/kernel", "conv1/kernel", "Logits/kernel"):
        (gradient,) = [gradient for path, gradient in found.items() if path.endswith(part)]
        assert np.abs(gradient).max() > 0, part
    assert all(gradient is not None for gradient in found.values())


@pytest.mark.parametrize(("network", "num_frames"), NETWORKS)
def test_save_and_load(tmp_path, network, num_frames):
    model = network(3, **TINY)
    frames = clips(num_frames, batch=1)
    expected = ops.convert_to_numpy(model(frames))
    assert expected.shape == model.compute_output_shape(frames.shape) == (1, 3)
    path = str(tmp_path / "model.keras")
    model.save(path)
    again = keras.saving.load_model(path)
    assert again.get_config() == model.get_config()
    np.testing.assert_allclose(ops.convert_to_numpy(again(frames)), expected, atol=1e-5)


@pytest.mark.parametrize(("network", "num_frames"), NETWORKS)
def test_errors(network, num_frames):
    with pytest.raises(ValueError, match="`num_classes` must be at least 1. Received: num_classes=0"):
        network(0)
    with pytest.raises(ValueError, match=rf"{network.__name__} expects frames of a known shape"):
        network(2, **TINY).build((None, num_frames, 32, 32, 1))


def test_c3d_takes_sixteen_frames():
    with pytest.raises(ValueError, match=r"C3D takes clips of 16 frames. Received: .*\(None, 20, 32, 32, 3\)"):
        C3D(2, **TINY).build((None, 20, 32, 32, 3))


def test_tsn_is_the_mean_of_its_frames_scores():
    model = TSN(3, **TINY)
    frames = clips(4, batch=1)
    alone = [ops.convert_to_numpy(model(frames[:, [index]])) for index in range(4)]
    np.testing.assert_allclose(ops.convert_to_numpy(model(frames)), np.mean(alone, axis=0), rtol=1e-4, atol=1e-5)
