import dataclasses
import os

import numpy as np
import pytest

from tsd_tf.config import kinetics400
from tsd_tf.contract.errors import UserError
from tsd_tf.network_builder import build_network
from tsd_tf.weights.hdf5 import load_weights
from tsd_tf.work_directory import WorkDirectory, latest

TINY = dataclasses.replace(
    kinetics400(),
    num_classes=3,
    num_frames=6,
    num_distilled_frames=3,
    crop_size=32,
    short_side=32,
    main_network_width=0.05,
    coarse_size=32,
    coarse_width=0.25,
    coarse_features_layer="conv_pw_1_relu",
    embedding_channels=4,
)


def write_run(path, config, network, steps=(1,)):
    run = WorkDirectory(path)
    for step in steps:
        folder = run.checkpoints_path / f"step_{step:08d}"
        folder.mkdir(parents=True)
        network.save_weights(folder / "network.weights.h5")
    run.config_path.write_text(config.to_json())
    run.labels_path.write_text("walking\nriding a bike\nrunning\n")
    return run


@pytest.fixture(scope="module")
def network():
    return build_network(TINY)


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "network.weights.h5"
    network.save_weights(path)
    return path


def test_reads_back_what_a_run_left(tmp_path, network):
    run = write_run(tmp_path / "run", TINY, network, steps=(20, 3))
    (run.checkpoints_path / ".partial").mkdir()
    (run.checkpoints_path / "step_00000099.partial").mkdir()
    assert run.config() == TINY
    assert run.labels() == ["walking", "riding a bike", "running"]
    assert list(run.checkpoints()) == [3, 20]
    again = run.load_network()
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), network.get_weights(), strict=True))


def test_loads_the_newest_checkpoint_by_step(tmp_path, network):
    run = write_run(tmp_path / "run", TINY, network, steps=(3,))
    newer = build_network(TINY)
    newest = run.checkpoints_path / "step_00000020"
    newest.mkdir()
    newer.save_weights(newest / "network.weights.h5")
    os.utime(newest, (1, 1))
    loaded = run.load_network()
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), newer.get_weights(), strict=True))


def test_a_checkpoint_is_chosen_by_name_or_step(tmp_path, network):
    run = write_run(tmp_path / "run", TINY, network, steps=(3, 20))
    assert run.best() is None
    with pytest.raises(UserError, match=r"no checkpoint best; a run with validation keeps one. It has: 3, 20, latest"):
        run.checkpoint("best")
    best = run.checkpoints_path / "best_00000005"
    best.mkdir()
    better = build_network(TINY)
    better.save_weights(best / "network.weights.h5")
    assert run.checkpoint() == run.checkpoint("latest") == run.checkpoint(20) == run.checkpoints_path / "step_00000020"
    assert run.checkpoint("3") == run.checkpoints_path / "step_00000003"
    assert run.checkpoint("best") == best
    assert list(run.checkpoints()) == [3, 20]
    with pytest.raises(UserError, match=r"no checkpoint 4. It has: 3, 20, latest, best"):
        run.checkpoint("4")
    loaded = run.load_network(checkpoint="best")
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), better.get_weights(), strict=True))


def test_latest_is_the_run_with_the_newest_checkpoint(tmp_path, network):
    runs = [write_run(tmp_path / "kinetics400" / name, TINY, network) for name in ("a", "b")]
    other = write_run(tmp_path / "ucf101" / "c", TINY, network)
    for age, run in ((3000, other), (2000, runs[0]), (1000, runs[1])):
        os.utime(run.checkpoints_path / "step_00000001", (age, age))
    assert latest(tmp_path).path == other.path
    assert latest(tmp_path, "kinetics400").path == runs[0].path


@pytest.mark.parametrize(
    "changes",
    [
        {"num_frames": 5},
        {"num_distilled_frames": 2},
        {"num_classes": 4},
        {"main_network_width": 0.1},
        {"method": "i3d_e"},
        {"coarse_features_layer": "conv_pw_2_relu"},
    ],
)
def test_weights_of_another_configuration_are_refused(weights, changes):
    """Also where the network takes fewer arrays than the file has, which Keras lets pass."""
    other = build_network(dataclasses.replace(TINY, **changes))
    with pytest.raises(UserError, match=r"network.weights.h5 does not fit the FewFrameNetwork of this configuration"):
        load_weights(other, weights)


def test_what_is_not_there_is_named(tmp_path, network):
    run = WorkDirectory(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"nothing is not a work directory: looked for .*config.json"):
        run.config()
    with pytest.raises(UserError, match=r"has no class names: looked for .*labels.txt"):
        run.labels()
    assert run.checkpoints() == {}
    begun = WorkDirectory(tmp_path / "begun")
    begun.path.mkdir()
    begun.config_path.write_text(TINY.to_json())
    with pytest.raises(UserError, match="no checkpoint yet"):
        begun.load_network()
    with pytest.raises(UserError, match=r"no trained run found: looked for .*train_kinetics.py makes one"):
        latest(tmp_path)
    with pytest.raises(UserError, match="found no file of weights: .*absent.weights.h5"):
        load_weights(network, tmp_path / "absent.weights.h5")


def test_damaged_files_are_named(tmp_path, network, weights):
    run = WorkDirectory(tmp_path)
    run.config_path.write_text('{"dataset": "kinetics400"}')
    with pytest.raises(UserError, match=r"config.json: not a configuration of this version"):
        run.config()
    truncated = tmp_path / "network.weights.h5"
    truncated.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"network.weights.h5 is not an HDF5 file"):
        load_weights(network, truncated)
