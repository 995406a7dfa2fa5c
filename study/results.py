"""The results of all cells in one JSON file, with everything that they depend on."""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform

from study.run_cell import result_path
from study.settings import chosen_by

FILE = "results.json"
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "opencv-python-headless")


def collect(cells, runs_dir, settings, choices, workers, output_dir):
    """Writes `output_dir`/results.json from the cells' results.

    Args:
        cells: list of study.cell.Cell, all finished.
        runs_dir: folder of their work directories.
        settings: study.settings.Settings.
        choices: {method: Choice}.
        workers: processes that ran them.
        output_dir: made where it is missing.
    """
    found = [json.loads(result_path(runs_dir, cell.name).read_text()) for cell in cells]
    value = {
        "settings": dataclasses.asdict(settings),
        "chosen_by": chosen_by(),
        "choices": {method: dataclasses.asdict(choice) for method, choice in choices.items()},
        "environment": environment(workers),
        "cpu_seconds": round(sum(cell["cpu_seconds"] for cell in found), 1),
        "wall_seconds": round(sum(cell["wall_seconds"] for cell in found) / workers, 1),
        "cells": found,
    }
    path = pathlib.Path(output_dir) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    # A line a cell: short, and a change of one result is a change of one line.
    head = json.dumps({**value, "cells": []}, indent=1).removesuffix("[]\n}")
    lines = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in found)
    partial.write_text(f"{head}[\n{lines}\n]}}\n")
    partial.rename(path)


def read(output_dir):
    """What `collect` wrote."""
    return json.loads((pathlib.Path(output_dir) / FILE).read_text())


def environment(workers):
    """Versions and machine."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "processor": _processor(),
        "cores": os.cpu_count(),
        "workers": workers,
    }


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
