"""Training state on disk: written whole, and read back with checks."""

import contextlib
import dataclasses
import json
import os
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tsd_tf.contract import files
from tsd_tf.contract.errors import DivergedError, UserError
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training.observer import Observer
from tsd_tf.training.replicas import dropout_seeds
from tsd_tf.training.run_state import RunState
from tsd_tf.weights.hdf5 import load_weights
from tsd_tf.work_directory import WorkDirectory


@dataclasses.dataclass
class Checkpoints(Observer):
    """Writes the checkpoints that are due, and `finished` at the end.

    Args:
        work_directory: a WorkDirectory.
        keep: how many checkpoints stay, besides the best one on validation.
    """

    work_directory: WorkDirectory
    keep: int

    def step_ends(self, state: RunState) -> None:
        if state.checkpoint_is_due:
            save(self.work_directory, state.network, state.training_variables, state.position, self.keep)

    def run_ends(self, state: RunState) -> None:
        (self.work_directory.path / "finished").touch()


def save(
    work_directory: WorkDirectory,
    network: FewFrameNetwork,
    training_variables: Sequence[Any],
    position: dict[str, int],
    keep: int,
) -> None:
    """Writes `checkpoints/step_<total_steps>/` and removes all but the newest checkpoints.

    Args:
        work_directory: a WorkDirectory.
        network: the built FewFrameNetwork; its weights become `network.weights.h5`.
        training_variables: what else the running stage needs to go on: optimiser slots, a temporary head's weights.
        position: {"stage": index, "step": steps done in it, "total_steps": steps done in all}.
        keep: how many checkpoints stay.

    Raises:
        UserError: it cannot be written; earlier checkpoints stay.
        DivergedError: a weight is not finite; earlier checkpoints stay.
    """
    for variable in network.weights:
        if not np.isfinite(np.asarray(variable)).all():
            raise DivergedError(
                f"{variable.path} is not finite after step {position['total_steps']}",
                "no checkpoint of it was written. Lower the rate; the same command continues from the last checkpoint",
            )

    final = work_directory.checkpoints_path / f"step_{position['total_steps']:08d}"
    with _new_folder(final, [*network.variables, *training_variables]) as folder:
        network.save_weights(folder / "network.weights.h5")
        _write_arrays(folder / "random_state.npz", dropout_seeds(network))
        _write_arrays(folder / "training.npz", training_variables)
        (folder / "position.json").write_text(json.dumps(position) + "\n")
    for path in list(work_directory.checkpoints().values())[:-keep]:
        files.remove(path)


def save_best(work_directory: WorkDirectory, network: FewFrameNetwork, result: dict[str, Any]) -> None:
    """Writes `checkpoints/best_<total_steps>/`, which replaces the best one so far.

    Args:
        work_directory, network: as for `save`.
        result: of the validation, with "total_steps"; it becomes `validation.json`.
    """
    final = work_directory.checkpoints_path / f"best_{result['total_steps']:08d}"
    with _new_folder(final, network.variables) as folder:
        network.save_weights(folder / "network.weights.h5")
        (folder / "validation.json").write_text(json.dumps(result, indent=2) + "\n")
    for path in work_directory.checkpoints_path.glob("best_*"):
        if path != final:
            files.remove(path)


def best_result(work_directory: WorkDirectory) -> dict[str, Any] | None:
    """What `save_best` was given last, or None."""
    path = work_directory.best()
    return None if path is None else _read_json(path, "validation.json")


def newest(work_directory: WorkDirectory) -> tuple[pathlib.Path, dict[str, int]] | None:
    """(folder, position) of the newest checkpoint, or None."""
    paths = list(work_directory.checkpoints().values())
    return (paths[-1], _read_json(paths[-1], "position.json")) if paths else None


def restore_network(path: str | os.PathLike, network: FewFrameNetwork) -> None:
    """Loads the weights and the random state of the checkpoint folder `path`."""
    load_weights(network, pathlib.Path(path) / "network.weights.h5")
    _read_arrays(pathlib.Path(path) / "random_state.npz", dropout_seeds(network))


def restore_training(path: str | os.PathLike, training_variables: Sequence[Any]) -> None:
    """Loads what `save` was given as `training_variables`, in the same order."""
    _read_arrays(pathlib.Path(path) / "training.npz", training_variables)


@contextlib.contextmanager
def _new_folder(final: pathlib.Path, variables: Iterable[Any]) -> Iterator[pathlib.Path]:
    """A context: a folder for these variables that becomes `final` when the context ends, whole or not at all."""
    # As arrays in a file, each with a block of its own.
    size = sum(np.asarray(variable).nbytes + 4096 for variable in variables)
    try:
        with files.whole(final) as folder:
            folder.mkdir()
            _check_space(folder, size)
            yield folder
    except OSError as error:
        raise UserError(f"cannot write the checkpoint {final}: {error.strerror or error}") from error


def _check_space(folder: pathlib.Path, size: int) -> None:
    """OSError where `size` bytes no longer fit: HDF5 would say so in a page of tracebacks."""
    path = folder / ".space"
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)
    path.unlink()


def _read_json(folder: pathlib.Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{folder} is damaged: its {name} cannot be read; remove that folder") from error


def _write_arrays(path: pathlib.Path, variables: Iterable[Any]) -> None:
    np.savez(path, **{str(index): np.asarray(variable) for index, variable in enumerate(variables)})


def _read_arrays(path: pathlib.Path, variables: Sequence[Any]) -> None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = [arrays[str(index)] for index in range(len(arrays.files))]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged: {error}; remove the folder {path.parent}") from error
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise UserError(f"{path} holds the state of another stage or optimiser; remove the folder {path.parent}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
