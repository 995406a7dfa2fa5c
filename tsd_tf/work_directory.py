"""The work directory of a run: its configuration, class names and checkpoints, readable without training code."""

import json
import os
import pathlib
import re
from typing import Any

from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.weights.hdf5 import load_weights

_CHECKPOINT = re.compile(r"step_(\d{8})")
_BEST = re.compile(r"best_(\d{8})")


class WorkDirectory:
    """A folder with `config.json`, `labels.txt` and `checkpoints/step_00000123/network.weights.h5`.

    `checkpoints/best_00000120` holds the weights that were best on validation, and how good they were in
    `validation.json`.
    A file `finished` appears when all stages are trained; `environment.json` has the versions and the data's hashes.

    Args:
        path: the folder; it need not exist yet.

    Attributes:
        path: as given, a pathlib.Path.
        config_path, environment_path, labels_path, checkpoints_path: of what is in it.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = pathlib.Path(path)
        self.config_path = self.path / "config.json"
        self.environment_path = self.path / "environment.json"
        self.labels_path = self.path / "labels.txt"
        self.checkpoints_path = self.path / "checkpoints"

    def config(self) -> Config:
        """The run's Config; UserError where there is none, or one of another version."""
        try:
            return Config.from_json(self.config_path.read_text())
        except OSError as error:
            raise UserError(
                f"{self.path} is not a work directory: looked for {self.config_path}; "
                "train_kinetics.py makes one, `work_directory` names another"
            ) from error
        except ValueError as error:
            raise UserError(f"{self.config_path}: {error}") from error

    def labels(self) -> list[str]:
        """The class names, by label index."""
        try:
            return self.labels_path.read_text().splitlines()
        except OSError as error:
            raise UserError(f"{self.path} has no class names: looked for {self.labels_path}") from error

    def checkpoints(self) -> dict[int, pathlib.Path]:
        """The finished checkpoints, oldest first, as {step: folder}."""
        return self._folders(_CHECKPOINT)

    def best(self) -> pathlib.Path | None:
        """The folder of the weights that were best on validation so far, or None."""
        # If there are two, the older one has just been surpassed.
        return next(reversed(self._folders(_BEST).values()), None)

    def checkpoint(self, which: str | int = "latest") -> pathlib.Path:
        """The folder of one checkpoint.

        Args:
            which: "latest", "best" (on validation), or the number of its step.

        Raises:
            UserError: there is none.
        """
        found = {str(step): path for step, path in self.checkpoints().items()}
        if not found:
            raise UserError(f"{self.path} has no checkpoint yet: looked in {self.checkpoints_path}; train first")
        found["latest"] = list(found.values())[-1]
        if best := self.best():
            found["best"] = best
        if str(which) not in found:
            reason = "; a run with validation keeps one" if which == "best" else ""
            raise UserError(f"{self.path} has no checkpoint {which}{reason}. It has: {', '.join(found)}")
        return found[str(which)]

    def _folders(self, pattern: re.Pattern[str]) -> dict[int, pathlib.Path]:
        if not self.checkpoints_path.is_dir():
            return {}
        found = {
            int(match[1]): path for path in self.checkpoints_path.iterdir() if (match := pattern.fullmatch(path.name))
        }
        return dict(sorted(found.items()))

    def finished(self) -> bool:
        """Whether the run has trained all of its stages."""
        return (self.path / "finished").exists()

    def load_network(self, config: Config | None = None, checkpoint: str | int = "latest") -> FewFrameNetwork:
        """The run's FewFrameNetwork with the weights of a checkpoint.

        Args:
            config: builds the network in place of the run's own Config; its variables must be the same.
            checkpoint: "latest", "best" or a step: see `checkpoint`.
        """
        config = config or self.config()
        path = self.checkpoint(checkpoint) / "network.weights.h5"
        network = build_network(config)
        load_weights(network, path)
        return network


def validation_of(folder: str | os.PathLike) -> dict[str, Any] | None:
    """The validation by which the weights in a folder were chosen, as Validation.run returns it; None of others."""
    path = pathlib.Path(folder) / "validation.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; remove the folder {path.parent}") from error


def latest(runs_dir: str | os.PathLike, dataset: str = "*") -> WorkDirectory:
    """The WorkDirectory under `runs_dir/<dataset>/` with the newest checkpoint of all."""
    found = [
        (max(path.stat().st_mtime for path in run.checkpoints().values()), run)
        for run in map(WorkDirectory, sorted(pathlib.Path(runs_dir).glob(f"{dataset}/*")))
        if run.checkpoints()
    ]
    if not found:
        raise UserError(
            f"no trained run found: looked for {pathlib.Path(runs_dir) / dataset}/*/checkpoints/step_*; "
            "train_kinetics.py makes one, `work_directory` names one elsewhere"
        )
    return max(found, key=lambda item: item[0])[1]
