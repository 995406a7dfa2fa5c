import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.config import Stage
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import protocol
from tsd_tf.network_builder import build_network
from tsd_tf.training import recipe
from tsd_tf.weights import deepmind_i3d
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tiny_config(tiny_config):
    """As everywhere, with the main network that is the quickest to trace."""
    return lambda **changes: tiny_config(**{"main_network": "resnet3d_18", **changes})


def i3d_config(tiny_config):
    stages = (
        Stage("i3d_trimmed", "network", 1, 0.01, split="trimmed", num_frames=4, batch_size=2),
        Stage("i3d", "network", 1, 0.01, batch_size=2),
    )
    return tiny_config(method="i3d", num_frames=8, num_distilled_frames=8, stages=stages)


@pytest.fixture(scope="module")
def runs(tiny_config, tmp_path_factory):
    """I3D+TSD from nothing, its coarse extractor trained on single frames first."""
    folder = tmp_path_factory.mktemp("runs")
    coarse = Stage("coarse", "coarse_extractor", 1, 0.05, split="trimmed", num_frames=1, batch_size=2)
    config = tiny_config(stages=(coarse, *tiny_config().stages))
    recipe.train_on_kinetics(config, folder / "tsd", i3d_config=i3d_config(tiny_config), i3d_workdir=folder / "i3d")
    return folder


def stages(run):
    return [line.split('"stage": "')[1].split('"')[0] for line in (run / "log.jsonl").read_text().splitlines()]


def difference(network, other):
    return max(
        np.abs(np.asarray(mine) - np.asarray(its)).max()
        for mine, its in zip(network.weights, other.weights, strict=True)
    )


def test_the_main_network_is_trained_first(runs):
    assert WorkDirectory(runs / "i3d").finished()
    assert stages(runs / "i3d") == ["i3d_trimmed", "i3d"]
    assert stages(runs / "tsd") == ["coarse", "tsd_stage1", "tsd_stage2"]


def test_a_second_method_starts_from_the_same_main_network(runs, tiny_config, tmp_path, capsys):
    log = (runs / "i3d/log.jsonl").read_text()
    # A rate this small moves no weight, so what is left is what the run started from.
    still = (Stage("sampling", "network", 1, 1e-30, batch_size=2),)
    config = tiny_config(method="i3d_e", stages=still, main_network_batch_norm_momentum=1.0)
    wanted = dataclasses.replace(i3d_config(tiny_config), seed=3)
    network = recipe.train_on_kinetics(config, tmp_path / "i3d_e", i3d_config=wanted, i3d_workdir=runs / "i3d")
    assert f"the main network comes from {runs}/i3d, which was trained in another way: seed is 0 there and 3 here" in (
        capsys.readouterr().out
    )
    assert (runs / "i3d/log.jsonl").read_text() == log
    assert difference(network.main_network, WorkDirectory(runs / "i3d").load_network().main_network) == 0
    assert difference(network.main_network, WorkDirectory(runs / "tsd").load_network().main_network) > 0


def test_a_main_network_of_other_classes_is_refused(runs, tiny_config, sample_shards, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(sample_shards, data)
    (data / "labels.txt").write_text("kick\ncartwheel\ncrawl\nbackflip\nroll\nspin kick\n")
    config = tiny_config(method="i3d_e", data_dir=str(data))
    start = {"i3d_config": i3d_config(tiny_config), "i3d_workdir": runs / "i3d"}
    match = r"of .*/i3d tells other classes apart than those of .*: label 0 is 'red horizontal' there and 'kick' here"
    for named in (None, runs / "i3d"):
        with pytest.raises(UserError, match=match):
            recipe.train_on_kinetics(config, tmp_path / "i3d_e", **start, main_network_weights=named)
    assert not (tmp_path / "i3d_e").exists()


def test_a_main_network_that_is_named_replaces_the_default_one(runs, tiny_config, tmp_path):
    still = (Stage("sampling", "network", 1, 1e-30, batch_size=2),)
    config = tiny_config(method="i3d_e", stages=still, main_network_batch_norm_momentum=1.0)
    path = tmp_path / "main.weights.h5"
    WorkDirectory(runs / "tsd").load_network().main_network.save_weights(path)
    network = recipe.train_on_kinetics(
        config,
        tmp_path / "i3d_e",
        i3d_config=i3d_config(tiny_config),
        i3d_workdir=tmp_path / "i3d",
        main_network_weights=path,
    )
    assert not (tmp_path / "i3d").exists()
    assert difference(network.main_network, WorkDirectory(runs / "tsd").load_network().main_network) == 0


def test_fine_tuning_starts_from_the_kinetics_run(runs, tiny_config, tmp_path):
    still = (Stage("finetune", "network", 1, 1e-30, batch_size=2),)
    config = tiny_config(stages=still, main_network_batch_norm_momentum=1.0, coarse_batch_norm_momentum=1.0)
    network = recipe.fine_tune(config, tmp_path / "ucf", runs / "tsd")
    source = WorkDirectory(runs / "tsd").load_network()
    assert difference(network.selector, source.selector) == 0
    blocks = zip(network.main_network.blocks, source.main_network.blocks, strict=True)
    assert all(difference(mine, its) == 0 for mine, its in blocks if its.weights)
    assert difference(network.main_network.logits, source.main_network.logits) > 0


def test_a_source_that_is_no_run_is_named(tiny_config, tmp_path):
    with pytest.raises(UserError, match="nowhere is not a work directory"):
        recipe.fine_tune(tiny_config(), tmp_path / "ucf", tmp_path / "nowhere")


def test_weights_that_cannot_be_had_are_missed_before_anything_is_trained(tiny_config, tmp_path):
    config = tiny_config(mobilenet_weights=str(tmp_path / "none.weights.h5"))
    with pytest.raises(UserError, match="none.weights.h5"):
        recipe.train_on_kinetics(
            config, tmp_path / "tsd", i3d_config=i3d_config(tiny_config), i3d_workdir=tmp_path / "i3d"
        )
    assert not (tmp_path / "i3d").exists()


def test_checkpoints_of_i3d_are_refused_for_other_main_networks(tiny_config, tmp_path):
    config = tiny_config(main_network="resnet3d_18")
    with pytest.raises(UserError, match="Received: main_network=resnet3d_18"):
        recipe.train_on_kinetics(
            config,
            tmp_path / "tsd",
            i3d_config=i3d_config(tiny_config),
            i3d_workdir=tmp_path / "i3d",
            i3d_checkpoint="model.ckpt",
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["i3d_r", "i3d_a"])
def test_other_methods_take_the_same_path(tiny_config, tmp_path, sample_shards, method):
    stage = Stage("end_to_end", "network", 1, 0.01, batch_size=2)
    config = tiny_config(method=method, stages=(stage,))
    network = recipe.train_on_kinetics(
        config,
        tmp_path / "run",
        i3d_config=dataclasses.replace(config, method="i3d", num_distilled_frames=8),
        i3d_workdir=tmp_path / "i3d",
    )
    shards = find_shards(sample_shards, "test")
    clips = EvaluationClips(Records(shards), ClipSpec(8, 64, 6), num_clips=2, batch_size=4, seed=0)
    found = protocol.predict(network, clips)
    assert found.probabilities.shape == (6, 2, 6)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1.0, atol=1e-5)


def deepminds_checkpoint(prefix, network):
    """Writes a released checkpoint with the weights of an InceptionI3D; returns its prefix."""
    names, values = zip(*deepmind_i3d.variables_by_name(network).items(), strict=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=[deepmind_i3d.SCOPE + name for name in names],
        shape_and_slices=[""] * len(names),
        tensors=[tf.convert_to_tensor(np.asarray(value)) for value in values],
    )
    return str(prefix)


def test_deepminds_checkpoint_stands_in_for_the_training_of_i3d(tiny_config, tmp_path):
    still = (Stage("sampling", "network", 1, 1e-30, batch_size=2),)
    changes = {"stages": still, "main_network_batch_norm_momentum": 1.0}
    config = tiny_config(method="i3d_e", main_network="inception_i3d", **changes)
    source = build_network(config).main_network
    prefix = deepminds_checkpoint(tmp_path / "model.ckpt", source)
    network = recipe.train_on_kinetics(
        config,
        tmp_path / "run",
        i3d_config=i3d_config(tiny_config),
        i3d_workdir=tmp_path / "i3d",
        i3d_checkpoint=prefix,
    )
    assert not (tmp_path / "i3d").exists()
    assert difference(network.main_network, source) < 1e-20


def test_deepminds_checkpoint_of_other_classes_is_fine_tuned_first(tiny_config, tmp_path):
    """Its last layer is new: I3D is trained from the rest, and the client in front of what comes out."""
    still = (Stage("still", "network", 1, 1e-30, batch_size=2),)
    changes = {"stages": still, "main_network_batch_norm_momentum": 1.0, "main_network": "inception_i3d"}
    config = tiny_config(method="i3d_e", **changes)
    source = build_network(dataclasses.replace(config, num_classes=9)).main_network
    i3d = dataclasses.replace(config, method="i3d", num_distilled_frames=8)
    network = recipe.train_on_kinetics(
        config,
        tmp_path / "run",
        i3d_config=i3d,
        i3d_workdir=tmp_path / "i3d",
        i3d_checkpoint=deepminds_checkpoint(tmp_path / "model.ckpt", source),
    )
    trained = WorkDirectory(tmp_path / "i3d").load_network().main_network
    assert difference(network.main_network, trained) < 1e-20
    for block, theirs in zip(network.main_network.blocks, source.blocks, strict=True):
        assert not block.variables or difference(block, theirs) < 1e-20


def test_more_than_one_start_is_refused(tiny_config, tmp_path):
    with pytest.raises(UserError, match="expected one start .* main_network_weights=a, inception_checkpoint=b"):
        recipe.train_on_kinetics(
            tiny_config(main_network="inception_i3d"),
            tmp_path / "tsd",
            i3d_config=i3d_config(tiny_config),
            i3d_workdir=tmp_path / "i3d",
            main_network_weights="a",
            inception_checkpoint="b",
        )
    assert not list(tmp_path.iterdir())
