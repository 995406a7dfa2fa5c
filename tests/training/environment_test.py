import dataclasses
import hashlib
import json
import platform
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import tsd_tf
from tsd_tf.contract.errors import UserError
from tsd_tf.training import environment
from tsd_tf.training.claim import claim
from tsd_tf.work_directory import WorkDirectory

LABELS = ["a", "b"]


@pytest.fixture
def data(sample_shards, tmp_path):
    """A copy of the shards that a test may spoil."""
    shutil.copytree(sample_shards, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def config(tiny_config, data):
    return tiny_config(data_dir=str(data))


def test_it_records_versions_and_the_manifests_hash(config, data):
    found = environment.describe(config)
    assert found["versions"] == {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "tsd_tf": tsd_tf.__version__,
    }
    assert found["data"] == {"train": hashlib.sha256((data / "manifest-train.json").read_bytes()).hexdigest()}


def test_every_split_that_a_stage_trains_on_is_hashed(config):
    stages = (*config.stages, dataclasses.replace(config.stages[0], split="trimmed"))
    assert set(environment.describe(dataclasses.replace(config, stages=stages))["data"]) == {"train", "trimmed"}


def test_the_hash_does_not_depend_on_the_folder(data, sample_shards):
    assert environment.data_hash(data, "train") == environment.data_hash(sample_shards, "train")
    assert environment.data_hash(data, "train") != environment.data_hash(data, "test")


def test_without_a_manifest_names_and_sizes_are_hashed(data):
    (data / "manifest-train.json").unlink()
    before = environment.data_hash(data, "train")
    assert before == environment.data_hash(f"{data}/", "train")
    shard = next(data.glob("train-00000-of-*"))
    shard.write_bytes(shard.read_bytes() + b"more")
    assert environment.data_hash(data, "train") != before


def test_a_claim_leaves_it_beside_the_configuration(config, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    assert json.loads((run.path / "environment.json").read_text()) == environment.describe(config)
    assert run.config() == config
    assert run.labels() == LABELS
    before = {path: path.stat().st_mtime_ns for path in run.path.iterdir()}
    claim(run, config, LABELS)
    assert {path: path.stat().st_mtime_ns for path in run.path.iterdir()} == before


def test_other_versions_are_noted(config, tmp_path, capsys):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    assert capsys.readouterr().out == ""
    found = environment.read(run)
    found["versions"]["numpy"] = "0.9"
    run.environment_path.write_text(json.dumps(found))
    claim(run, config, LABELS)
    assert f"numpy 0.9 then, {np.__version__} now" in capsys.readouterr().out
    assert environment.read(run) == found


def test_other_shards_are_refused(config, data, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    manifest = data / "manifest-train.json"
    manifest.write_text(manifest.read_text().replace('"written": 12', '"written": 11'))
    with pytest.raises(UserError, match="the train shards of .* are not those that .* was started with"):
        claim(run, config, LABELS)
    run.environment_path.unlink()
    claim(run, config, LABELS)
    assert environment.read(run) == environment.describe(config)


def test_a_damaged_record_is_named(config, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    run.environment_path.write_text("{")
    with pytest.raises(UserError, match=r"environment.json cannot be read"):
        claim(run, config, LABELS)


def test_the_same_data_may_have_moved(config, data, tmp_path, capsys):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    shutil.move(data, tmp_path / "elsewhere")
    moved = dataclasses.replace(config, data_dir=str(tmp_path / "elsewhere"))
    claim(run, moved, LABELS)
    assert f"was started on the same data in {data}" in capsys.readouterr().out
    assert run.config() == config


def test_another_folder_is_refused_where_its_data_cannot_be_compared(config, sample_shards, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    run.environment_path.unlink()
    with pytest.raises(UserError, match=r"data_dir is '.*' there and '.*' here"):
        claim(run, dataclasses.replace(config, data_dir=str(sample_shards)), LABELS)


def test_more_steps_than_the_run_was_started_with_are_refused_by_name(config, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    longer = (config.stages[0], dataclasses.replace(config.stages[1], num_steps=7))
    with pytest.raises(UserError, match=r"another configuration: stages\[1\].num_steps is 2 there and 7 here\. "):
        claim(run, dataclasses.replace(config, stages=longer), LABELS)
    with pytest.raises(UserError, match=r"another configuration: stages is \(.*\) there and \(.*\) here"):
        claim(run, dataclasses.replace(config, stages=config.stages[:1]), LABELS)


def test_shards_of_another_decoder_are_noted_on_resuming(config, data, tmp_path, capsys):
    path = data / "manifest-train.json"
    manifest = json.loads(path.read_text())
    assert environment.describe(config)["decoders"]["train"] == manifest["decoder"]
    manifest["decoder"]["PyAV"] = "1.0"
    path.write_text(json.dumps(manifest))
    run = WorkDirectory(tmp_path / "run")
    claim(run, config, LABELS)
    claim(run, config, LABELS)
    assert "train shards" in (note := capsys.readouterr().out)
    assert "PyAV 1.0 then" in note
