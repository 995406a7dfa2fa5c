"""Tables and pictures of a finished study, from its JSON."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from study import figures, results, tables
from study.cell import Cell
from tsd_tf.contract import files
from tsd_tf.reporting.table import Table


def write(output_dir: str | os.PathLike) -> None:
    """Writes tables.md, a CSV a table and the pictures into `output_dir`, where results.json is."""
    output_dir = pathlib.Path(output_dir)
    found = results.read(output_dir)
    made = tables.all_tables(found)
    for table in made:
        files.write(output_dir / f"{table.name}.csv", table.csv())
    files.write(output_dir / "tables.md", markdown(found, made))
    figures.write(found, output_dir)


def write_example_frames(cells: Sequence[Cell], runs_dir: str | os.PathLike, output_dir: str | os.PathLike) -> None:
    """Draws figure2_frames.png: distilled beside uniform frames, of the first I3D+TSD at the least T_s.

    Args:
        cells: list of study.cell.Cell, all finished.
        runs_dir: folder of their work directories.
        output_dir: folder of the picture.
    """
    from study import distillation
    from tsd_tf.work_directory import WorkDirectory

    candidates = [cell for cell in cells if cell.group == "table2" and cell.config.method == "tsd"]
    cell = min(candidates, key=lambda one: (one.seed, one.labels["Ts"], -one.labels["T"]))
    network = WorkDirectory(pathlib.Path(runs_dir) / cell.name).load_network()
    frames = distillation.example_frames(network, cell.config, cell.tests[0].split)
    figures.write_frames(frames, pathlib.Path(output_dir) / "figure2_frames.png")


def markdown(found: dict[str, Any], made: Sequence[Table]) -> str:
    """The text of tables.md.

    Args:
        found: what results.read returns.
        made: the Tables.
    """
    environment, settings = found["environment"], found["settings"]
    versions = ", ".join(f"{name} {environment[name]}" for name in ("python", "tensorflow", "keras", "numpy", "scipy"))
    head = [
        f"# The {settings['name']} study in tables",
        "",
        f"Written by `python -m study --report_only{' --quick' if settings['name'] == 'quick' else ''}` from "
        "results.json, "
        f"which has the answer of every cell to every test video. Seeds {', '.join(map(str, settings['seeds']))}; "
        f"{len(found['cells'])} cells took {found['cpu_seconds'] / 3600:.2f} CPU hours, "
        f"{found['wall_seconds'] / 3600:.2f} hours of wall time with {environment['workers']} workers, on "
        f"{environment['cores']} cores of a machine with {environment['processor']}; {versions}. "
        f"Rates and optimisers: {found['chosen_by']}.",
        "",
    ]
    return "\n".join([*head, *(table.markdown(aligned=False) for table in made)])
