"""A model that is small enough to be asked often."""

import numpy as np
import pytest

from tsd_tf.video.video_writing import write_video

SIZE = 24


@pytest.fixture(scope="session")
def network():
    """Uniform frames, 8 to 4, and a main network of a user's own, of three classes."""
    import keras

    from tsd_tf.network import FewFrameNetwork
    from tsd_tf.selectors import Uniform

    keras.utils.set_random_seed(3)
    inputs = keras.Input((4, SIZE, SIZE, 3))
    x = keras.layers.Conv3D(6, 3, strides=(1, 4, 4), activation="relu")(inputs)
    outputs = keras.layers.Dense(3, kernel_initializer="normal")(keras.layers.Flatten()(x))
    built = FewFrameNetwork(Uniform(8, 4), keras.Model(inputs, outputs))
    built.build((None, 8, SIZE, SIZE, 3))
    return built


@pytest.fixture(scope="session")
def model(network):
    from tsd_tf.inference.clip_format import ClipFormat
    from tsd_tf.inference.network_model import NetworkModel

    return NetworkModel(network, ["kick", "jump", "roll"], ClipFormat(8, 4, SIZE, short_side=32), "tiny")


@pytest.fixture(scope="session")
def frames():
    """20 frames of the model's size, each different."""
    return np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """A file of 20 frames, 48 x 32, at 25 frames a second."""
    path = tmp_path_factory.mktemp("video") / "kick.mp4"
    tile = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    write_video(path, np.stack([np.roll(tile, 2 * number, axis=1) for number in range(20)]), 25.0)
    return path
