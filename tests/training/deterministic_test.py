"""kill -9 at any moment, and the same command again: the same weights, bit for bit."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tsd_tf.config import Stage
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Trains in processes forked from this one, which has imported what takes seconds to import. Each is to kill itself at
# the moment that it is given: [a stage, a step], or [an audited event, part of a path, how often it comes].
SCRIPT = """
import json, os, signal, sys
config, folder, moments = json.loads(sys.argv[1])
import tensorflow as tf
from tsd_tf.config import Config
from tsd_tf.training.observer import Observer
from tsd_tf.training.trainer import Trainer
from tsd_tf.work_directory import WorkDirectory

tf.config.experimental.enable_op_determinism()

def train(name, moment):
    left = [moment[2]] if len(moment) == 3 else [0]

    class Killer(Observer):
        def step_begins(self, state):
            if [state.stage.name, state.step] == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, arguments):
        if event == moment[0] and moment[1] in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if len(moment) == 3:
        sys.addaudithook(watch)
    run, config_of_run = WorkDirectory(f"{folder}/{name}"), Config.from_json(config)
    Trainer(run, config_of_run, checkpoint_steps=1, keep_checkpoints=2, observers=[Killer()]).run()

def fork(name, moment):
    child = os.fork()
    if child == 0:
        try:
            train(name, moment)
            os._exit(0)
        finally:
            os._exit(1)
    return child

uninterrupted = fork("uninterrupted", [])
codes = [os.waitstatus_to_exitcode(os.waitpid(fork("killed", moment), 0)[1]) for moment in [*moments, []]]
codes.append(os.waitstatus_to_exitcode(os.waitpid(uninterrupted, 0)[1]))
print(json.dumps(codes))
"""
MOMENTS = [
    ["coarse", 0],  # before the first step
    ["open", ".partial.step_00000002/training.npz", 1],  # while the last checkpoint of a stage is written
    ["open", "/step_00000001/training.npz", 1],  # while a checkpoint is read
    ["os.rename", ".partial.step_", 1],  # when the checkpoint is written, and not yet renamed
    ["tsd_stage1", 0],  # right behind the border of two stages
    ["tsd_stage2", 1],  # within the last stage
    ["shutil.rmtree", ".partial.step_00000004", 1],  # when the last checkpoint of all stands, and the oldest is removed
]


def arrays(checkpoint):
    with np.load(checkpoint / "training.npz") as training, np.load(checkpoint / "random_state.npz") as seeds:
        return [*(training[name] for name in training.files), *(seeds[name] for name in seeds.files)]


def test_a_run_that_is_killed_again_and_again_ends_with_the_weights_of_one_that_is_not(tiny_config, tmp_path):
    config = tiny_config(
        main_network="resnet3d_18",
        stages=(
            Stage("coarse", "coarse_extractor", 2, 0.05, split="trimmed", num_frames=1, batch_size=4),
            Stage("tsd_stage1", "client", 2, 0.03, batch_size=2),
            Stage("tsd_stage2", "network", 2, 0.01, batch_size=2, optimizer="adam"),
        ),
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([config.to_json(), str(tmp_path), MOMENTS])],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [-9] * len(MOMENTS) + [0, 0], done.stderr
    one, other = (tmp_path / name / "checkpoints/step_00000006" for name in ("uninterrupted", "killed"))
    # The files of the weights hold times of writing: what counts is what is in them.
    networks = [WorkDirectory(tmp_path / name).load_network() for name in ("uninterrupted", "killed")]
    for variable, same in zip(networks[0].weights, networks[1].weights, strict=True):
        np.testing.assert_array_equal(np.asarray(same), np.asarray(variable), err_msg=variable.path)
    for value, same in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(same, value)
