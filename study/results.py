"""The results of all cells in one JSON file, with everything that they depend on."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from study.cell import Cell
from study.run_cell import result_path
from study.settings import Choice, Settings, chosen_by
from tsd_tf.contract import files
from tsd_tf.reporting import machine

FILE = "results.json"
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "opencv-python-headless")


def collect(
    cells: Sequence[Cell],
    runs_dir: pathlib.Path,
    data_dir: pathlib.Path,
    settings: Settings,
    choices: dict[str, Choice],
    workers: int,
    output_dir: str | os.PathLike,
) -> None:
    """Writes `output_dir`/results.json from the cells' results.

    Args:
        cells: list of study.cell.Cell, all finished.
        runs_dir: folder of their work directories.
        data_dir: folder of the data sets.
        settings: study.settings.Settings.
        choices: {method: Choice}.
        workers: processes that ran them.
        output_dir: made where it is missing.
    """
    found = [json.loads(result_path(runs_dir, cell.name).read_text()) for cell in cells]
    for cell in found:
        for name in {"data", "config"} & cell.keys():
            cell[name] = _without_folders(cell[name], (runs_dir, data_dir))
    value = {
        "settings": dataclasses.asdict(settings),
        "chosen_by": chosen_by(),
        "choices": {method: dataclasses.asdict(choice) for method, choice in choices.items()},
        "environment": environment(workers),
        "cpu_seconds": round(sum(cell["cpu_seconds"] for cell in found), 1),
        "wall_seconds": round(elapsed_seconds(found), 1),
        "cells": found,
    }
    # A line a cell: short, and a change of one result is a change of one line.
    head = json.dumps({**value, "cells": []}, indent=1).removesuffix("[]\n}")
    lines = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in found)
    files.write(pathlib.Path(output_dir) / FILE, f"{head}[\n{lines}\n]}}\n")


def read(output_dir: str | os.PathLike) -> dict[str, Any]:
    """What `collect` wrote."""
    return json.loads((pathlib.Path(output_dir) / FILE).read_text())


def elapsed_seconds(cells: Iterable[dict[str, Any]]) -> float:
    """How long at least one of `cells` was running, in seconds: pauses between them do not count.

    Args:
        cells: results, each with "ended_at" and "wall_seconds".
    """
    total, until = 0.0, float("-inf")
    for start, end in sorted((cell["ended_at"] - cell["wall_seconds"], cell["ended_at"]) for cell in cells):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def environment(workers: int) -> dict[str, Any]:
    """Versions and machine."""
    found = machine.describe()
    return {
        "python": found["python"],
        **machine.versions(*_PACKAGES),
        "processor": found["model"],
        "cores": os.cpu_count(),
        "workers": workers,
    }


def _without_folders(values, folders):
    """`values` with paths in `folders` from there on: on whose machine a study was run is no result of it."""
    return {
        name: next((str(pathlib.Path(value).relative_to(one)) for one in folders if _is_in(value, one)), value)
        for name, value in values.items()
    }


def _is_in(value, folder):
    return isinstance(value, str) and pathlib.Path(value).is_relative_to(folder)
