"""Training state on disk: written aside, renamed when whole, and read back with checks."""

import json
import pathlib
import shutil

import numpy as np

from tsd_tf.errors import UserError
from tsd_tf.work_directory import load_weights

_KEEP = 3


def save(work_directory, network, training_variables, position):
    """Writes `checkpoints/step_<total_steps>/` and removes all but the newest checkpoints.

    Args:
        work_directory: a WorkDirectory.
        network: the built FewFrameNetwork; its weights become `network.weights.h5`.
        training_variables: whatever else the running stage needs to go on: optimiser slots, temporary heads.
        position: {"stage": index, "step": steps done in it, "total_steps": steps done in all}.
    """
    final = work_directory.checkpoints_path / f"step_{position['total_steps']:08d}"
    partial = work_directory.checkpoints_path / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        network.save_weights(partial / "network.weights.h5")
        arrays = {str(index): np.asarray(variable) for index, variable in enumerate(training_variables)}
        np.savez(partial / "training.npz", **arrays)
        (partial / "position.json").write_text(json.dumps(position) + "\n")
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"cannot write the checkpoint {final}: {error.strerror or error}") from error
    for path in list(work_directory.checkpoints().values())[:-_KEEP]:
        shutil.rmtree(path)


def newest(work_directory):
    """(folder, position) of the newest checkpoint, or None."""
    checkpoints = work_directory.checkpoints()
    if not checkpoints:
        return None
    path = list(checkpoints.values())[-1]
    try:
        return path, json.loads((path / "position.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is damaged: its position.json cannot be read; remove that folder") from error


def restore_network(path, network):
    """Loads `network.weights.h5` of the checkpoint folder `path`."""
    load_weights(network, pathlib.Path(path) / "network.weights.h5")


def restore_training(path, training_variables):
    """Loads what `save` was given as `training_variables`, in the same order."""
    try:
        with np.load(pathlib.Path(path) / "training.npz", allow_pickle=False) as arrays:
            values = [arrays[str(index)] for index in range(len(arrays.files))]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is damaged: its training.npz cannot be read; remove that folder") from error
    if [value.shape for value in values] != [tuple(variable.shape) for variable in training_variables]:
        raise UserError(f"{path} holds the state of another stage or optimiser; remove that folder")
    for variable, value in zip(training_variables, values, strict=True):
        variable.assign(value)
