"""Runs one cell: trains, tests, and leaves what it found as JSON."""

import json
import os
import pathlib
import time

from study.cell import Cell
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import machine

RESULT = "result.json"
COARSE_WEIGHTS = "coarse.weights.h5"


def result_path(runs_dir: str | os.PathLike, name: str) -> pathlib.Path:
    """Where the finished cell's result is."""
    return pathlib.Path(runs_dir) / name / RESULT


def log_path(runs_dir: str | os.PathLike, name: str) -> pathlib.Path:
    """Where what the cell's training printed is."""
    return pathlib.Path(runs_dir) / name / "output.txt"


def is_finished(cell: Cell, runs_dir: str | os.PathLike) -> bool:
    """Whether `cell` has its result.

    Args:
        cell: a study.cell.Cell.
        runs_dir: folder of the cells' work directories.

    Raises:
        UserError: the result belongs to another configuration, and so does everything that starts from this cell.
    """
    path = result_path(runs_dir, cell.name)
    if not path.exists():
        return False
    found, wanted = json.loads(path.read_text()), _recipe(cell)
    if {name: found.get(name) for name in wanted} != wanted:
        raise UserError(f"{path} belongs to other settings; remove {runs_dir}, or name another folder with --runs_dir")
    return True


def _recipe(cell):
    return {"data": cell.data} if cell.data else {"config": json.loads(cell.config.to_json())}


def run_cell(cell: Cell, runs_dir: str | os.PathLike) -> None:
    """Runs `cell`, unless its result is there; a cell that was interrupted goes on at its newest checkpoint.

    Args:
        cell: a study.cell.Cell.
        runs_dir: folder of the cells' work directories.
    """
    if is_finished(cell, runs_dir):
        return
    path = result_path(runs_dir, cell.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    began, cpu_began = time.monotonic(), _cpu_seconds()
    found = {}
    if cell.data:
        from study import data

        data.build(cell.data["folder"], cell.data["name"], cell.data["videos"], cell.data["seed"], cell.threads)
    else:
        found = _train_and_test(cell, pathlib.Path(runs_dir))
    result = {
        "cell": cell.name,
        "group": cell.group,
        "seed": cell.seed,
        **({"method": cell.config.method} if cell.config else {}),
        **cell.labels,
        "main_network_updates": cell.main_network_updates,
        **_recipe(cell),
        **found,
        "cores": machine.num_cores(),
        # An interrupted cell counts from its last start.
        "cpu_seconds": round(_cpu_seconds() - cpu_began, 1),
        "wall_seconds": round(time.monotonic() - began, 1),
        "ended_at": round(time.time(), 1),
    }
    files.write_json(path, result, indent=1)


def _train_and_test(cell, runs_dir):
    from study import distillation, testing
    from tsd_tf.training import recipe
    from tsd_tf.training.trainer import Trainer
    from tsd_tf.training.validation import ValidationPlan
    from tsd_tf.work_directory import WorkDirectory

    workdir = runs_dir / cell.name
    # The schedules are fixed, so validation would only take time. One checkpoint is enough to go on from.
    options = {"validation": ValidationPlan(num_videos=0), "keep_checkpoints": 1}
    if cell.fine_tune_from:
        network = recipe.fine_tune(cell.config, workdir, runs_dir / cell.fine_tune_from, **options)
    elif cell.main_network_from:
        network = recipe.train_on_kinetics(
            cell.config,
            workdir,
            i3d_config=None,
            i3d_workdir=None,
            main_network_weights=runs_dir / cell.main_network_from,
            **options,
        )
    else:
        network = Trainer(WorkDirectory(workdir), cell.config, **options).run()
    if cell.group == "coarse":
        network.selector.coarse_extractor.save_weights(workdir / COARSE_WEIGHTS)
    found = {"tests": [testing.test(workdir, cell.config, test) for test in cell.tests]}
    if cell.matrix_split:
        found["matrix"] = distillation.matrix_statistics(network, cell.config, cell.matrix_split)
    if cell.compression_split:
        found["compression"] = distillation.compression(network, cell.config, cell.compression_split)
    return found


def _cpu_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
