"""Tables and pictures of a study, from its JSON: of whatever is there so far."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from study import figures, results, tables
from study.cell import Cell
from study.run_cell import Folders, config_here
from tsd_tf.contract import files
from tsd_tf.reporting.table import Table

_PACKAGES = ("tensorflow", "keras", "numpy")


def write(output_dir: str | os.PathLike) -> None:
    """Writes tables.md, a CSV a table and the pictures into `output_dir`, where results.json is.

    Raises:
        UserError: there are no results.
    """
    output_dir = pathlib.Path(output_dir)
    found = results.read(output_dir)
    made = tables.all_tables(found)
    for table in made:
        files.write(output_dir / f"{table.name}.csv", table.csv())
    files.write(output_dir / "tables.md", markdown(found, made))
    figures.write(found, output_dir)


def write_example_frames(cells: Sequence[Cell], folders: Folders, output_dir: str | os.PathLike) -> None:
    """Draws figure2_frames.png: distilled beside uniform frames, of the first seed's I3D+TSD from the longest clips.

    Args:
        cells: of the study, those of Table 2 among them; nothing is drawn if that one has not been trained here.
        folders: the study's.
        output_dir: folder of the picture.
    """
    from study import testing
    from tsd_tf.work_directory import WorkDirectory

    candidates = [cell for cell in cells if cell.group == "table2" and cell.config.method == "tsd"]
    cell = min(candidates, key=lambda one: (one.seed, one.config.num_distilled_frames, -one.config.num_frames))
    run = WorkDirectory(folders.runs / cell.name)
    if run.finished():
        frames = testing.example_frames(run, config_here(cell, folders), cell.tests[0].split)
        figures.write_frames(frames, pathlib.Path(output_dir) / "figure2_frames.png")


def markdown(found: Mapping[str, Any], made: Sequence[Table]) -> str:
    """The text of tables.md.

    Args:
        found: what results.read returns.
        made: the Tables.
    """
    settings, cells = found["settings"], found["cells"]
    seeds = ", ".join(map(str, sorted({cell["seed"] for cell in cells})))
    machines = dict.fromkeys(_machine(cell["environment"]) for cell in cells)
    head = [
        f"# The {settings['name']} study in tables",
        "",
        f"Written by `python -m study --report_only{' --quick' if settings['name'] == 'quick' else ''}` from "
        "results.json, which has the answer of every cell to every test video. "
        f"Seeds {seeds}; {len(cells)} cells took {results.cpu_seconds(found) / 3600:.2f} CPU hours, "
        f"{results.wall_seconds(found) / 3600:.2f} hours of wall time, on {'; and on '.join(machines)}. "
        f"Rates and optimisers: {found['chosen_by']}.",
        "",
    ]
    return "\n".join([*head, *(table.markdown(aligned=False) for table in made)])


def _machine(environment):
    packages = ", ".join(f"{name} {environment[name]}" for name in _PACKAGES)
    return f"{environment['cores']} cores of {environment['processor']} with Python {environment['python']}, {packages}"
