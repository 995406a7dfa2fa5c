"""The results of all cells in one JSON file that grows part by part: what was found, by which recipe, and where."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from study.cell import Cell
from study.run_cell import Folders
from study.settings import Settings, chosen_by
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError

FILE = "results.json"
FORMAT = 2  # of the file; the first study's had none


def read(folder: str | os.PathLike) -> dict[str, Any]:
    """What `merge` wrote: {"format", "settings", "chosen_by", "cells": a list of results}.

    Raises:
        UserError: there is none, or one of another format.
    """
    path = pathlib.Path(folder, FILE)
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"no results yet: looked for {path}; python -m study makes them") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from error
    if found.get("format") != FORMAT:
        raise UserError(f"{path} is of another version of the study: remove it, or name another `output_dir`")
    return found


def held(folder: str | os.PathLike, study: Iterable[Cell]) -> dict[str, dict[str, Any]]:
    """{name: result} of the cells that `folder` has a file of; none where it has no file.

    Args:
        folder: of the file.
        study: all cells of the study, with what they start from.

    Raises:
        UserError: one of them is of another recipe, or not in the study: a table would mix two studies.
    """
    path = pathlib.Path(folder, FILE)
    found = {result["cell"]: result for result in read(folder)["cells"]} if path.exists() else {}
    expected = {cell.name: cell for cell in study}
    for name, result in found.items():
        if name not in expected:
            raise UserError(f"{path} has {name}, which is not in this study: remove it, or name another `output_dir`")
        if result["fingerprint"] != expected[name].fingerprint:
            raise UserError(
                f"{path} has {name} by another recipe ({_difference(result['recipe'], expected[name].recipe)}): "
                "`rerun` runs it anew; or remove the file, or name another `output_dir`"
            )
    return found


def finished(cells: Iterable[Cell], folders: Folders) -> list[dict[str, Any]]:
    """The results of the cells that have one in their work directories."""
    paths = (folders.result(cell.name) for cell in cells)
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def merge(
    folder: str | os.PathLike, study: Iterable[Cell], found: Iterable[Mapping[str, Any]], settings: Settings
) -> None:
    """Adds results to the file of a folder. Those that it has already stay as they are.

    Args:
        folder: made where it is missing.
        study: all cells of the study, with what they start from; their order is that of the file.
        found: the results.
        settings: the study's.
    """
    study = list(study)
    together = {result["cell"]: result for result in found} | held(folder, study)
    cells = [together[cell.name] for cell in study if cell.name in together]
    head = {"format": FORMAT, "settings": dataclasses.asdict(settings), "chosen_by": chosen_by()}
    _write(folder, {**head, "cells": cells})


def forget(folder: str | os.PathLike, cells: Iterable[Cell]) -> None:
    """Removes the results of cells from the file of a folder, whatever their recipe, if there is one."""
    if pathlib.Path(folder, FILE).exists():
        names, found = {cell.name for cell in cells}, read(folder)
        _write(folder, {**found, "cells": [result for result in found["cells"] if result["cell"] not in names]})


def rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What tables are made of: an entry for each test of each cell, with "cell", "group", "seed", "method" and labels.

    Args:
        found: what `read` returns.
    """
    common = ("tests", "recipe", "environment")
    return [
        {**{name: value for name, value in cell.items() if name not in common}, **test}
        for cell in found["cells"]
        for test in cell.get("tests", [])
    ]


def cpu_seconds(found: Mapping[str, Any]) -> float:
    """The CPU time of all cells."""
    return sum(cell["cpu_seconds"] for cell in found["cells"])


def wall_seconds(found: Mapping[str, Any]) -> float:
    """How long at least one of the cells was running, in seconds: pauses between them do not count."""
    total, until = 0.0, float("-inf")
    for start, end in sorted((cell["ended_at"] - cell["wall_seconds"], cell["ended_at"]) for cell in found["cells"]):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _write(folder, value):
    """A line a cell: short, and a change of one result is a change of one line."""
    head = json.dumps({**value, "cells": []}, indent=1).removesuffix("[]\n}")
    lines = ",\n".join(json.dumps(result, separators=(",", ":")) for result in value["cells"])
    files.write(pathlib.Path(folder, FILE), f"{head}[\n{lines}\n]}}\n")


def _difference(there, here):
    """The names of the parts of two recipes that differ."""
    there, here = _flat(there), _flat(here)
    names = [name for name in there.keys() | here.keys() if there.get(name) != here.get(name)]
    return ", ".join(sorted(names)) or "of what it starts from"


def _flat(recipe):
    return {
        f"{part}.{name}".rstrip("."): value
        for part, fields in recipe.items()
        for name, value in (fields.items() if isinstance(fields, dict) else [("", fields)])
    }
