import json

import keras
import numpy as np
import pytest

from tsd_tf.config import Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.data.training_clips import TrainingClips
from tsd_tf.network_builder import build_network
from tsd_tf.training.precision import dtype_policy, needs_loss_scale
from tsd_tf.training.trainer import Trainer, _stage_seed
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow


def test_the_policy_of_this_machine(tiny_config):
    assert dtype_policy(tiny_config()) == "float32"
    assert dtype_policy(tiny_config(mixed_precision=True)) in ("mixed_bfloat16", "mixed_float16")
    assert needs_loss_scale("mixed_float16")
    assert not needs_loss_scale("mixed_bfloat16")


def test_other_main_networks_are_refused_on_cpu(tiny_config):
    with pytest.raises(UserError, match="Received: main_network=resnet3d_18"):
        dtype_policy(tiny_config(mixed_precision=True, main_network="resnet3d_18"))


def test_a_mixed_run_starts_at_float32s_loss_and_leaves_float32_weights(tiny_config, tmp_path):
    stage = Stage("end_to_end", "network", 1, 0.001, batch_size=4)
    config = tiny_config(mixed_precision=True, dropout_rate=0.0, stages=(stage,))
    run = WorkDirectory(tmp_path / "run")
    network = Trainer(run, config).run()
    assert network.main_network.compute_dtype != "float32"
    assert {variable.dtype for variable in network.weights} == {"float32"}

    keras.utils.set_random_seed(config.seed)
    plain = build_network(config)
    keras.utils.set_random_seed(config.seed)
    mixed = build_network(config, dtype_policy(config))
    shards = find_shards(config.data_dir, "train")
    clips = TrainingClips(Records(shards), config.clip_spec, batch_size=4, seed=_stage_seed(config.seed, 0))
    batch = next(iter(clips))
    frames = to_network_input(batch["frames"])
    expected = np.asarray(plain.main_network(frames[:, :5], training=False))
    received = np.asarray(mixed.main_network(frames[:, :5], training=False), "float32")
    assert np.linalg.norm(received - expected) < 0.1 * np.linalg.norm(expected)

    # In training, batch norm over the few values of four small clips makes much of rounding, and processors round
    # differently: 3 % were seen.
    logits = plain(frames, training=True)
    losses = keras.losses.sparse_categorical_crossentropy(batch["label"], logits, from_logits=True)
    logged = json.loads((run.path / "log.jsonl").read_text().splitlines()[0])["loss"]
    assert logged == pytest.approx(float(np.mean(losses)), rel=0.15)

    loaded = run.load_network()
    assert loaded.main_network.compute_dtype == "float32"
    for mine, its in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(its), err_msg=its.path)
