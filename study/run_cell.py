"""Runs one cell: builds or trains it, tests it, and leaves what it found as JSON."""

import dataclasses
import json
import os
import pathlib
import time
from typing import Any

from study.cell import Cell
from tsd_tf.config import Config
from tsd_tf.contract import files
from tsd_tf.contract.errors import DivergedError, UserError
from tsd_tf.reporting import machine

RESULT = "result.json"
COARSE_WEIGHTS = "coarse.weights.h5"
_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "av", "pybullet", "pybullet-arm64")


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a study is run.

    Attributes:
        runs: folder of the cells' work directories.
        data: folder of the data sets.
    """

    runs: pathlib.Path
    data: pathlib.Path

    def result(self, name: str) -> pathlib.Path:
        """Where the result of a finished cell is."""
        return self.runs / name / RESULT

    def log(self, name: str) -> pathlib.Path:
        """Where what a cell's training printed is."""
        return self.runs / name / "output.txt"


def is_finished(cell: Cell, folders: Folders) -> bool:
    """Whether `cell` has its result.

    Raises:
        UserError: the result belongs to another recipe, and so does everything that starts from this cell.
    """
    path = folders.result(cell.name)
    if not path.exists():
        return False
    if json.loads(path.read_text()).get("fingerprint") != cell.fingerprint:
        raise UserError(f"{path} is of another recipe: remove {folders.runs}, or name another `runs_dir`")
    return True


def run_cell(cell: Cell, folders: Folders) -> None:
    """Runs `cell`, unless its result is there; a cell that was interrupted goes on at its newest checkpoint.

    Args:
        cell: its sources are finished.
        folders: the study's.
    """
    if is_finished(cell, folders):
        return
    path = folders.result(cell.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    began, cpu_began = time.monotonic(), _cpu_seconds()
    found: dict[str, Any] = {}
    if cell.data:
        cell.data.build(folders.data, cell.threads)
    elif cell.config:
        try:
            found = _train_and_test(cell, folders)
        except DivergedError as error:
            if not cell.tests:
                raise  # others start from this one
            found = {"diverged": error.what}
    else:
        found = _test_over_bytes(cell, folders)
    result = {
        "cell": cell.name,
        "group": cell.group,
        "seed": cell.seed,
        **({"method": cell.config.method} if cell.config else {}),
        **cell.labels,
        "updates": cell.updates,
        "recipe": cell.recipe,
        "fingerprint": cell.fingerprint,
        **found,
        "environment": _environment(),
        # An interrupted cell counts from its last start.
        "cpu_seconds": round(_cpu_seconds() - cpu_began, 1),
        "wall_seconds": round(time.monotonic() - began, 1),
        "ended_at": round(time.time(), 1),
    }
    files.write_json(path, result, indent=1)


def config_here(cell: Cell, folders: Folders) -> Config:
    """The Config of a training with this study's folders in it."""
    changes = {"data_dir": str(folders.data / cell.config.data_dir)}
    if cell.coarse_from:
        changes["mobilenet_weights"] = str(folders.runs / cell.coarse_from.name / COARSE_WEIGHTS)
    return dataclasses.replace(cell.config, **changes)


def _train_and_test(cell, folders):
    from study import testing
    from tsd_tf.training import recipe
    from tsd_tf.training.trainer import Trainer
    from tsd_tf.training.validation import ValidationPlan
    from tsd_tf.work_directory import WorkDirectory

    run, config = WorkDirectory(folders.runs / cell.name), config_here(cell, folders)
    # The schedules are fixed, so validation would only take time. One checkpoint is enough to go on from.
    options = {"validation": ValidationPlan(num_videos=0), "keep_checkpoints": 1}
    if cell.fine_tune_from:
        recipe.fine_tune(config, run.path, folders.runs / cell.fine_tune_from.name, **options)
    elif cell.main_network_from:
        weights = folders.runs / cell.main_network_from.name
        options |= {"i3d_config": None, "i3d_workdir": None, "main_network_weights": weights}
        recipe.train_on_kinetics(config, run.path, **options)
    else:
        network = Trainer(run, config, **options).run()
        if cell.group == "coarse":
            network.selector.coarse_extractor.save_weights(run.path / COARSE_WEIGHTS)
    return {"tests": [testing.run_test(run, config, test) for test in cell.tests]} if cell.tests else {}


def _test_over_bytes(cell, folders):
    from study import testing
    from tsd_tf.work_directory import WorkDirectory

    run, uniform = (WorkDirectory(folders.runs / one.name) for one in (cell.exported, cell.uniform))
    export_dir, split = folders.runs / cell.name / "export", cell.exported.tests[0].split
    config = config_here(cell.exported, folders)
    return {"codings": testing.over_bytes(run, config, uniform, export_dir, cell.codings, split)}


def _environment():
    """The machine, and the packages that its numbers depend on."""
    found = machine.describe()
    return {
        "processor": found["model"],
        "cores": os.cpu_count(),
        "cores_of_cell": found["cpus"],
        "python": found["python"],
        **machine.versions(*_PACKAGES),
    }


def _cpu_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
