import numpy as np
import pytest

from tsd_tf.training import recipe
from tsd_tf.work_directory import WorkDirectory


@pytest.fixture(scope="module")
def runs(tiny_config, tmp_path_factory):
    """The default recipe of I3D+TSD with single-frame pretraining, from nothing."""
    folder = tmp_path_factory.mktemp("runs")
    recipe.train_on_kinetics(tiny_config(mobilenet_weights="frames"), folder, folder / "sample/tsd")
    return folder


def stages(run):
    return [line.split('"stage": "')[1].split('"')[0] for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_main_network_is_trained_first(runs):
    assert WorkDirectory(runs / "sample/i3d").finished()
    assert stages(runs / "sample/i3d") == ["i3d"]
    assert stages(runs / "sample/tsd") == ["coarse", "tsd_stage1", "tsd_stage2"]


def test_a_second_method_starts_from_the_same_main_network(runs, tiny_config):
    newest = (runs / "sample/i3d/log.jsonl").read_text()
    config = tiny_config(method="i3d_e")
    started = []

    class Stop(Exception):
        pass

    from tsd_tf.training.trainer import Trainer

    original = Trainer._run_stage

    def stop(self, network, *arguments):
        started.extend(np.asarray(variable) for variable in network.main_network.variables)
        raise Stop

    Trainer._run_stage = stop
    try:
        with pytest.raises(Stop):
            recipe.train_on_kinetics(config, runs, runs / "sample/i3d_e")
    finally:
        Trainer._run_stage = original
    assert (runs / "sample/i3d/log.jsonl").read_text() == newest
    expected = WorkDirectory(runs / "sample/i3d").load_network().main_network.variables
    for value, variable in zip(started, expected, strict=True):
        if "seed" not in variable.path:
            np.testing.assert_array_equal(value, np.asarray(variable))


def test_fine_tuning_starts_from_the_kinetics_run(runs, tiny_config, tmp_path):
    config = tiny_config(last_layer_rate_factor=10.0)
    network = recipe.fine_tune(config, tmp_path / "ucf", runs / "sample/tsd")
    source = WorkDirectory(runs / "sample/tsd").load_network()
    moved = np.abs(
        np.asarray(network.main_network.blocks[0].conv_3d.kernel)
        - np.asarray(source.main_network.blocks[0].conv_3d.kernel)
    ).max()
    assert 0 < moved < 0.1
