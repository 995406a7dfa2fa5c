import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from tsd_tf.config import Stage
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data import tfrecord
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.part import Part
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import Uniform
from tsd_tf.training import checkpoints
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState
from tsd_tf.training.validation import Validation, ValidationPlan
from tsd_tf.work_directory import WorkDirectory

CLIENT = Stage("tsd_stage1", "client", 10, 0.1)
PLAN = ValidationPlan(split="test", num_videos=2, batch_size=1)


class OneAnswer(keras.Model):
    """A main network that sees nothing and always answers with its bias."""

    def __init__(self):
        super().__init__()
        self.num_classes = 6

    def build(self, input_shape):
        self.bias = self.add_weight(shape=(6,), initializer="zeros", name="bias")

    def call(self, frames, training=None):
        return keras.ops.zeros((keras.ops.shape(frames)[0], 6)) + self.bias

    def always(self, label):
        self.bias.assign(np.eye(6)[label])


def state(network, step, stage=CLIENT, at_checkpoint=False, observers=()):
    return RunState(network, stage, step=step, total_steps=step, checkpoint_is_due=at_checkpoint, observers=observers)


@pytest.fixture
def network():
    network = FewFrameNetwork(Uniform(8, 2), OneAnswer())
    network.build((None, 8, 64, 64, 3))
    return network


@pytest.fixture(scope="module")
def labels(sample_shards):
    """Of the two videos that are validated on."""
    shards = find_shards(sample_shards, "test")
    clips = EvaluationClips(Records(shards), ClipSpec(1, 64, 6), num_clips=1, batch_size=2, seed=0)
    return next(iter(clips))["label"].numpy().tolist()


def records_of(plan, config, **options):
    _, shards, part = plan.videos(config)
    return Records(shards, part=part, **options)


@pytest.fixture
def validation(network, tiny_config, tmp_path):
    config = tiny_config()
    return Validation(WorkDirectory(tmp_path), network, config, PLAN, records_of(PLAN, config), "test")


def test_the_best_weights_stay(validation, network, labels, tmp_path):
    wrong = next(label for label in range(6) if label not in labels)
    for step, label, top1, best in (
        (1, wrong, 0.0, 1),
        (2, labels[0], 0.5, 2),
        (3, wrong, 0.0, 2),
        (4, labels[1], 0.5, 2),
    ):
        network.main_network.always(label)
        result = validation.run(state(network, step))
        assert (result["top1"], result["videos"], result["total_steps"]) == (top1, 2, step)
        assert [path.name for path in validation.work_directory.checkpoints_path.iterdir()] == [f"best_{best:08d}"]
    kept = json.loads((tmp_path / "checkpoints/best_00000002/validation.json").read_text())
    assert (kept["top1"], kept["split"], kept["held_out_share"], kept["stage"]) == (0.5, "test", 0.0, "tsd_stage1")
    network.load_weights(tmp_path / "checkpoints/best_00000002/network.weights.h5")
    np.testing.assert_array_equal(np.asarray(network.main_network.bias), np.eye(6)[labels[0]])


def test_a_resumed_run_remembers_the_best(validation, network, labels, tiny_config):
    network.main_network.always(labels[0])
    validation.run(state(network, 7))
    again = Validation(validation.work_directory, network, tiny_config(), PLAN, validation.clips.records, "test")
    again.run(state(network, 8))
    assert checkpoints.best_result(again.work_directory)["total_steps"] == 7


def test_when_it_is_due(network, tiny_config, tmp_path):
    def due(plan, stage, step, at_checkpoint):
        records = records_of(plan, tiny_config())
        validation = Validation(WorkDirectory(tmp_path), network, tiny_config(), plan, records, "test")
        return validation.is_due(state(network, step, stage, at_checkpoint))

    assert due(PLAN, CLIENT, 3, at_checkpoint=True)
    assert not due(PLAN, CLIENT, 3, at_checkpoint=False)
    every_four = ValidationPlan(split="test", steps=4)
    assert [step for step in range(1, 11) if due(every_four, CLIENT, step, at_checkpoint=True)] == [4, 8, 10]
    assert not due(PLAN, Stage("coarse", "coarse_extractor", 10, 0.1), 10, at_checkpoint=True)


def test_the_result_is_reported_and_printed(validation, network, capsys):
    class Listener(Observer):
        lines = []

        def reported(self, state, line):
            self.lines.append(line)

    validation.step_ends(state(network, 9, at_checkpoint=False, observers=[Listener()]))
    assert (Listener.lines, capsys.readouterr().out) == ([], "")
    validation.step_ends(state(network, 9, at_checkpoint=True, observers=[Listener()]))
    ((result,),) = (line.values() for line in Listener.lines)
    assert (result["step"], result["videos"]) == (9, 2)
    assert f"step 9: top-1 {result['top1']:.1%} (standard error" in capsys.readouterr().out


def test_later_validations_read_no_record_whole_and_tell_of_damage_once(
    network, tiny_config, sample_shards, damage_record, tmp_path, monkeypatch, capfd
):
    shutil.copytree(sample_shards, tmp_path / "data")
    name = damage_record(tmp_path / "data", "test")
    plan = ValidationPlan(split="test")
    records = records_of(plan, tiny_config(data_dir=str(tmp_path / "data")), damaged_share=0.2)
    validation = Validation(WorkDirectory(tmp_path / "run"), network, tiny_config(), plan, records, "test")
    read, read_record = [], tfrecord.read_record
    monkeypatch.setattr(tfrecord, "read_record", lambda *place: read.append(place) or read_record(*place))
    for step in (1, 2, 3):
        assert validation.run(state(network, step))["videos"] == 5
    # Of a damaged record nothing is remembered but that it is one.
    assert len(read) == 5 + 3
    assert capfd.readouterr().err.count(f"damaged, left out: {name}: expected a label from 0 to 5, got 99") == 1


def names(found):
    split, shards, part = found
    return split, [path.rpartition("/")[2] for path in shards], part


def test_without_a_split_it_is_what_training_holds_out(tiny_config, capsys):
    config = tiny_config(held_out_share=0.3)
    part = Part(0.3, is_held_out=True)
    assert names(ValidationPlan().videos(config)) == ("train", ["train-00000-of-00002", "train-00001-of-00002"], part)
    assert names(ValidationPlan(split="test").videos(config))[::2] == ("test", None)
    assert ValidationPlan(split="test", num_videos=0).videos(config) is None
    assert capsys.readouterr().out == ""


def test_without_either_it_is_validate_unless_that_is_the_test_set(tiny_config, sample_shards, tmp_path, capsys):
    assert ValidationPlan().videos(tiny_config()) is None
    assert f"no split is named, and {sample_shards} has no validate shards" in capsys.readouterr().out
    for path in sample_shards.glob("test-*-of-*"):
        shutil.copy(path, tmp_path / path.name.replace("test", "validate"))
    config = tiny_config(data_dir=str(tmp_path))
    shards = ["validate-00000-of-00002", "validate-00001-of-00002"]
    assert names(ValidationPlan().videos(config)) == ("validate", shards, None)
    assert capsys.readouterr().out == ""
    assert ValidationPlan().videos(dataclasses.replace(config, evaluation_split="validate")) is None
    assert "no split is named, and validate is what evaluate.py tests on" in capsys.readouterr().out


def test_a_split_that_is_named_must_be_there(tiny_config):
    with pytest.raises(UserError, match="no holdout shards"):
        ValidationPlan(split="holdout").videos(tiny_config())
