import json
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.config import Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.hashing import place_of
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.training_clips import TrainingClips
from tsd_tf.training import checkpoints, initialization
from tsd_tf.training.observer import Observer
from tsd_tf.training.trainer import Trainer
from tsd_tf.training.validation import ValidationPlan
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow


class Recorder(Observer):
    """Notes what it is told, and how many checkpoints stand by then."""

    def __init__(self, directory):
        self.directory = directory
        self.events = []

    def _note(self, event, state):
        self.events.append((event, state.stage.name, state.step, state.total_steps, len(self.directory.checkpoints())))

    def stage_begins(self, state):
        self._note("stage begins", state)

    def step_begins(self, state):
        self._note("step begins", state)

    def step_ends(self, state):
        self._note("step ends", state)

    def reported(self, state, line):
        self._note("validation" if "validation" in line else "means", state)

    def stage_ends(self, state):
        self._note("stage ends", state)

    def run_ends(self, state):
        self.events.append("run ends")

    def close(self):
        self.events.append("close")


@pytest.fixture(scope="session")
def tiny_config(tiny_config):
    """As everywhere, with the main network that is the quickest to trace."""
    return lambda **changes: tiny_config(**{"main_network": "resnet3d_18", **changes})


def trainer(directory, config, observers=()):
    """With a checkpoint after every step and a validation at the end of each stage."""
    plan = ValidationPlan(split="test", steps=2, num_videos=2, batch_size=2)
    return Trainer(directory, config, checkpoint_steps=1, validation=plan, observers=observers)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    """Watches the run `trained`."""
    return Recorder(WorkDirectory(tmp_path_factory.mktemp("runs") / "tsd"))


@pytest.fixture(scope="module")
def trained(tiny_config, recorder):
    """A finished I3D+TSD run: (WorkDirectory, Config, weights)."""
    directory, config = recorder.directory, tiny_config()
    network = trainer(directory, config, [recorder]).run()
    return directory, config, [np.asarray(variable) for variable in network.variables]


@pytest.fixture
def copy(trained, tmp_path):
    """The same run in a folder of the test's own."""
    shutil.copytree(trained[0].path, tmp_path / "tsd")
    return WorkDirectory(tmp_path / "tsd")


def test_a_run_leaves_what_evaluation_and_export_need(trained):
    directory, config, weights = trained
    assert directory.config() == config
    assert directory.labels()[0] == "red horizontal"
    assert directory.finished()
    loaded = directory.load_network()
    for value, variable in zip(weights, loaded.variables, strict=True):
        if "seed" not in variable.path:
            np.testing.assert_array_equal(value, np.asarray(variable), err_msg=variable.path)


def test_observers_are_told_in_order(trained, recorder):
    """Validation comes before the checkpoint of the same step, and an observer of one's own behind it."""

    def stage(name, before):
        return [
            ("stage begins", name, 0, before, before),
            ("step begins", name, 0, before, before),
            ("step ends", name, 1, before + 1, before + 1),
            ("step begins", name, 1, before + 1, before + 1),
            ("means", name, 2, before + 2, before + 1),
            ("validation", name, 2, before + 2, before + 1),
            ("step ends", name, 2, before + 2, min(before + 2, 3)),
            ("stage ends", name, 2, before + 2, min(before + 2, 3)),
        ]

    assert recorder.events == [*stage("tsd_stage1", 0), *stage("tsd_stage2", 2), "run ends", "close"]


def log(directory):
    return [json.loads(line) for line in (directory.path / "log.jsonl").read_text().splitlines()]


def test_the_best_weights_on_validation_are_kept(trained):
    directory = trained[0]
    results = [line["validation"] for line in log(directory) if "validation" in line]
    assert [(result["stage"], result["total_steps"]) for result in results] == [("tsd_stage1", 2), ("tsd_stage2", 4)]
    assert all(result["videos"] == 2 and 0 <= result["top1"] <= result["top5"] <= 1 for result in results)
    best = max(results, key=lambda result: (result["top1"], -result["total_steps"]))
    assert directory.best().name == f"best_{best['total_steps']:08d}"
    assert checkpoints.best_result(directory) == best
    loaded = directory.load_network(checkpoint="best")
    if best["total_steps"] == 4:
        np.testing.assert_array_equal(
            np.asarray(loaded.selector.tsd_block.w_beta.kernel),
            np.asarray(directory.load_network().selector.tsd_block.w_beta.kernel),
        )


def test_tensorboard_shows_scalars_the_histogram_of_p_and_distilled_frames(trained):
    directory, config, _ = trained
    found = {
        (value.tag, event.step): tf.make_ndarray(value.tensor)
        for path in (directory.path / "tensorboard").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    losses = {line["stage"]: line["loss"] for line in log(directory) if "loss" in line}
    assert found["training/loss", 2] == pytest.approx(losses["tsd_stage1"], rel=1e-6)
    assert found["training/loss", 4] == pytest.approx(losses["tsd_stage2"], rel=1e-6)
    assert {("validation/top1", 2), ("training/entropy", 2), ("training/gradient_norm", 4)} <= set(found)
    for step in range(1, 5):
        assert found["P", step][:, 2].sum() == 4 * config.num_frames * config.num_distilled_frames
        width, height, _ = found["uniform, distilled, P", step]
        assert (int(width), int(height)) == (5 * 64, 64 + 2 + 64 + 2 + 8)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"initializer_stddev": 5.0, "logit_scale": 1.0}, "saturated"), ({"logit_scale": 1e-6}, "uniform")],
)
def test_a_p_that_does_not_learn_warns_once(tiny_config, tmp_path, capsys, changes, word):
    stage = Stage("tsd_stage1", "client", 12, 1e-6, batch_size=2)
    config = tiny_config(method="tsd", stages=(stage,), **changes)
    run = WorkDirectory(tmp_path / "run")
    Trainer(run, config, validation=ValidationPlan(num_videos=0)).run()
    (warning,) = [line for line in log(run) if "warning" in line]
    assert (warning["step"], warning["stage"]) == (10, "tsd_stage1")
    assert f"P has been {word} for 10 steps" in warning["warning"]
    assert capsys.readouterr().err.count(f"P has been {word}") == 1


def test_only_the_newest_checkpoints_are_kept(trained):
    assert list(trained[0].checkpoints()) == [2, 3, 4]


def test_the_log_has_a_line_a_stage_with_finite_losses(trained):
    lines = [line for line in log(trained[0]) if "loss" in line]
    assert [(line["stage"], line["step"]) for line in lines] == [("tsd_stage1", 2), ("tsd_stage2", 2)]
    assert all(np.isfinite(line["loss"]) and 0 <= line["accuracy"] <= 1 for line in lines)
    assert lines[0]["learning_rate"] == 0.03


@pytest.mark.parametrize("kept", [2, 3], ids=["at the end of stage 1", "within stage 2"])
def test_an_interrupted_run_goes_on_where_its_last_checkpoint_stands(trained, copy, kept):
    for step, path in copy.checkpoints().items():
        if step > kept:
            shutil.rmtree(path)
    (copy.path / "finished").unlink()
    network = trainer(copy, trained[1]).run()
    assert copy.finished()
    assert checkpoints.best_result(copy)["top1"] == checkpoints.best_result(trained[0])["top1"]
    assert max(copy.checkpoints()) == 4
    for value, variable in zip(trained[2], network.variables, strict=True):
        np.testing.assert_allclose(np.asarray(variable), value, atol=1e-5, err_msg=variable.path)


def test_a_run_that_accumulates_gradients_goes_on_where_it_was(tiny_config, tmp_path):
    stage = Stage("tsd_stage2", "network", 2, 0.01, batch_size=4)
    config = tiny_config(stages=(stage,), gradient_accumulation=2)
    plan = ValidationPlan(num_videos=0)
    whole = WorkDirectory(tmp_path / "whole")
    expected = Trainer(whole, config, checkpoint_steps=1, validation=plan).run()
    shutil.copytree(whole.path, tmp_path / "interrupted")
    interrupted = WorkDirectory(tmp_path / "interrupted")
    shutil.rmtree(interrupted.checkpoints()[2])
    (interrupted.path / "finished").unlink()
    network = Trainer(interrupted, config, checkpoint_steps=1, validation=plan).run()
    assert list(interrupted.checkpoints()) == [1, 2]
    for one, other in zip(expected.variables, network.variables, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), atol=1e-5, err_msg=one.path)


def test_rates_follow_the_replicas_only_when_asked(tiny_config, tmp_path):
    cluster = types.SimpleNamespace(strategy=None, num_replicas=8)
    factors = [
        Trainer(WorkDirectory(tmp_path), tiny_config(scale_learning_rate=scale), cluster=cluster).rate_factor
        for scale in (False, True)
    ]
    assert factors == [1, 8]


def test_a_finished_run_is_not_trained_again(trained, copy):
    Trainer(copy, trained[1]).run()
    assert list(copy.checkpoints()) == [2, 3, 4]


def test_a_half_written_checkpoint_is_never_taken_for_a_whole_one(copy):
    (copy.checkpoints_path / ".partial").mkdir()
    assert list(copy.checkpoints()) == [2, 3, 4]


def test_another_configuration_is_refused_by_name(copy, tiny_config):
    other = tiny_config(num_distilled_frames=4)
    with pytest.raises(UserError, match="num_distilled_frames is 5 there and 4 here") as raised:
        Trainer(copy, other).run()
    assert str(copy.path) in str(raised.value)


def test_a_damaged_checkpoint_is_named(copy, trained):
    (copy.path / "finished").unlink()
    newest = copy.checkpoints()[4]
    (newest / "network.weights.h5").write_bytes(b"not weights")
    with pytest.raises(UserError, match="step_00000004/network.weights.h5"):
        Trainer(copy, trained[1]).run()


def test_shards_of_another_class_count_are_refused(tiny_config, tmp_path):
    with pytest.raises(UserError, match="6 classes in its labels.txt, the configuration expects 5"):
        Trainer(WorkDirectory(tmp_path / "run"), tiny_config(num_classes=5)).run()
    assert not (tmp_path / "run").exists()


def test_no_shards_leave_no_work_directory(tiny_config, tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\nf\n")
    with pytest.raises(UserError, match="no train shards"):
        Trainer(WorkDirectory(tmp_path / "run"), tiny_config(data_dir=str(tmp_path))).run()
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_records(tiny_config, tmp_path):
    def poison(network):
        network.main_network.logits.kernel.assign(network.main_network.logits.kernel * np.nan)

    directory = WorkDirectory(tmp_path / "run")
    recorder = Recorder(directory)
    with pytest.raises(UserError, match=r"loss of step 0 of stage tsd_stage1 is nan.*train-0000"):
        Trainer(directory, tiny_config(), initialize=poison, observers=[recorder]).run()
    assert [recorder.events[0][0], recorder.events[1][0], *recorder.events[2:]] == [
        "stage begins",
        "step begins",
        "close",
    ]
    assert directory.checkpoints() == {}
    assert not directory.finished()


def test_what_is_held_out_chooses_the_best_weights_and_is_never_trained_on(tiny_config, tmp_path, monkeypatch):
    seen = {"train": [], "validate": []}

    def recording(source, name):
        class Recording(source):
            def __iter__(self):
                for batch in super().__iter__():
                    seen[name] += batch["media_id"].numpy().tolist()
                    yield batch

        return Recording

    monkeypatch.setattr("tsd_tf.training.trainer.TrainingClips", recording(TrainingClips, "train"))
    monkeypatch.setattr("tsd_tf.training.validation.EvaluationClips", recording(EvaluationClips, "validate"))
    stage = Stage("tsd_stage1", "client", 8, 0.01, batch_size=3)
    directory, config = WorkDirectory(tmp_path / "run"), tiny_config(stages=(stage,), held_out_share=0.3)
    Trainer(directory, config).run()
    ids = [media_id.decode() for media_id in set(seen["train"] + seen["validate"])]
    assert len(ids) == 12
    held_out = {one for one in ids if place_of(one.partition("_")[0]) < 0.3}  # without Kinetics' seconds
    assert 0 < len(held_out) < 12
    assert {one.decode() for one in seen["validate"]} == held_out
    assert {one.decode() for one in seen["train"]} == set(ids) - held_out
    result = checkpoints.best_result(directory)
    assert (result["split"], result["held_out_share"], result["videos"]) == ("train", 0.3, len(set(seen["validate"])))


def test_a_stage_may_take_its_frames_from_all_of_the_video(tiny_config, tmp_path, monkeypatch):
    specs = []

    class Recording(TrainingClips):
        def __init__(self, records, spec, **arguments):
            specs.append(spec)
            super().__init__(records, spec, **arguments)

    monkeypatch.setattr("tsd_tf.training.trainer.TrainingClips", Recording)
    sparse = Stage("sparse", "network", 1, 0.01, num_frames=3, frame_sampling="segments", batch_size=2)
    config = tiny_config(stages=(sparse, Stage("end_to_end", "network", 1, 0.01, batch_size=2)))
    Trainer(WorkDirectory(tmp_path / "run"), config, validation=ValidationPlan(num_videos=0)).run()
    clips = [(spec.num_frames, spec.frame_sampling) for spec in specs]
    assert clips == [(3, "segments"), (config.num_frames, "consecutive")]


def test_of_little_data_nothing_is_held_out_and_it_is_said(tiny_config, tmp_path, capsys):
    stage = Stage("tsd_stage1", "client", 1, 0.01, batch_size=1)
    directory = WorkDirectory(tmp_path / "run")
    Trainer(directory, tiny_config(stages=(stage,), held_out_share=1e-9)).run()
    assert "No validation while it trains: a share of 1e-09 of train holds no video" in capsys.readouterr().out
    assert (directory.finished(), directory.best()) == (True, None)


@pytest.fixture
def damaged(tiny_config, sample_shards, damage_record, tmp_path):
    """A run that sees each of its 12 records once, the first of them damaged: (its Config, that record's name)."""
    shutil.copytree(sample_shards, tmp_path / "data")
    stage = Stage("tsd_stage1", "client", 3, 0.01, batch_size=4)
    config = tiny_config(data_dir=str(tmp_path / "data"), stages=(stage,))
    return config, damage_record(tmp_path / "data", "train")


def test_tolerated_damage_is_told_of_and_the_run_finishes(damaged, tmp_path, capsys):
    config, name = damaged
    run = WorkDirectory(tmp_path / "run")
    Trainer(run, config, validation=ValidationPlan(num_videos=0), damaged_share=0.1).run()
    assert run.finished()
    # Once, though TensorBoard's clips hold it too.
    assert capsys.readouterr().err.count(f"damaged, left out: {name}: expected a label from 0 to 5, got 99") == 1


def test_damage_that_is_not_tolerated_ends_the_run_with_one_line(damaged, tmp_path):
    config, name = damaged
    run = WorkDirectory(tmp_path / "run")
    with pytest.raises(UserError) as error:
        Trainer(run, config, validation=ValidationPlan(num_videos=0)).run()
    assert str(error.value).startswith(f"{name}: expected a label from 0 to 5, got 99. 1 of 12 records")
    assert "\n" not in str(error.value)
    assert not run.finished()


def test_fine_tuning_takes_all_but_the_last_layer(trained, tiny_config):
    from tsd_tf.network_builder import build_network

    network = build_network(tiny_config(num_classes=3))
    last = [np.asarray(variable) for variable in network.main_network.logits.variables]
    initialization.load_for_fine_tuning(network, trained[0].path)
    for value, variable in zip(last, network.main_network.logits.variables, strict=True):
        np.testing.assert_array_equal(value, np.asarray(variable))
    source = trained[0].load_network()
    np.testing.assert_array_equal(
        np.asarray(network.selector.tsd_block.w_beta.kernel), np.asarray(source.selector.tsd_block.w_beta.kernel)
    )
    np.testing.assert_array_equal(
        np.asarray(network.main_network.blocks[0].conv.kernel),
        np.asarray(source.main_network.blocks[0].conv.kernel),
    )


def test_fine_tuning_from_other_frame_counts_is_refused(trained, tiny_config):
    from tsd_tf.network_builder import build_network

    network = build_network(tiny_config(num_frames=10))
    with pytest.raises(UserError, match="its `num_frames` is 8, here it is 10"):
        initialization.load_for_fine_tuning(network, trained[0].path)


def test_a_main_network_of_another_width_is_refused(trained, tiny_config):
    from tsd_tf.network_builder import build_network

    network = build_network(tiny_config(main_network_width=0.05))
    with pytest.raises(UserError, match="has shape"):
        initialization.load_main_network(network, trained[0].path)


def test_weights_of_something_else_are_refused(tiny_config, tmp_path):
    from tsd_tf.network_builder import build_network

    path = tmp_path / "other.weights.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="other.weights.h5"):
        initialization.load_main_network(build_network(tiny_config()), path)


def test_weights_that_are_not_finite_are_never_saved(trained, copy):
    network = copy.load_network()
    kernel = network.main_network.logits.kernel
    kernel.assign(np.full(kernel.shape, np.inf))
    with pytest.raises(UserError, match="is not finite after step 5; no checkpoint"):
        checkpoints.save(copy, network, [], {"stage": 1, "step": 3, "total_steps": 5}, keep=1)
    assert list(copy.checkpoints()) == [2, 3, 4]
