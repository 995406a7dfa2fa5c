"""Runs written without training: a work directory is its configuration, class names and weights."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def write_run():
    """A function: makes `path` the work directory of a fresh network of `config`, and returns that."""
    import keras

    from tsd_tf.network_builder import build_network

    def write(path, config, labels=None, seed=0):
        keras.utils.set_random_seed(seed)
        network = build_network(config)
        folder = pathlib.Path(path) / "checkpoints/step_00000004"
        folder.mkdir(parents=True)
        network.save_weights(folder / "network.weights.h5")
        (pathlib.Path(path) / "config.json").write_text(config.to_json())
        labels = labels or pathlib.Path(config.data_dir, "labels.txt").read_text().splitlines()
        (pathlib.Path(path) / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
        return network

    return write
