"""Results of a study that is run in parts, on several machines."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest

from study import grid, results, settings
from study.cell import with_starts
from tsd_tf.contract.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def study():
    return settings.quick()


@pytest.fixture(scope="module")
def cells(study):
    return with_starts(grid.cells(study))


def result(cell, **changes):
    """What run_cell leaves, as far as it is needed here."""
    return {
        "cell": cell.name,
        "group": cell.group,
        "seed": cell.seed,
        "recipe": cell.recipe,
        "fingerprint": cell.fingerprint,
        **changes,
    }


def test_parts_are_joined_in_the_order_of_the_study(tmp_path, study, cells):
    results.merge(tmp_path, cells, [result(cell) for cell in cells[4:]], study)
    results.merge(tmp_path, cells, [result(cell) for cell in cells[:4]], study)
    assert [one["cell"] for one in results.read(tmp_path)["cells"]] == [cell.name for cell in cells]
    assert set(results.held(tmp_path, cells)) == {cell.name for cell in cells}


def test_what_is_held_stays(tmp_path, study, cells):
    results.merge(tmp_path, cells, [result(cells[0], found="first")], study)
    results.merge(tmp_path, cells, [result(cells[0], found="second")], study)
    assert results.held(tmp_path, cells)[cells[0].name]["found"] == "first"


def test_nothing_is_held_in_an_empty_folder(tmp_path, cells):
    assert results.held(tmp_path, cells) == {}


def test_another_recipe_is_refused(tmp_path, study, cells):
    """A table would mix what two studies found."""
    results.merge(tmp_path, cells, [result(cell) for cell in cells], study)
    text = (tmp_path / results.FILE).read_text()
    recipe = dataclasses.replace(study.actions, updates=study.actions.updates + 1)
    other = dataclasses.replace(study, actions=recipe)
    with pytest.raises(UserError, match=r"results.json has seed0/i3d_T5 by another recipe \(config.stages\): `rerun` "):
        results.held(tmp_path, with_starts(grid.cells(other)))
    with pytest.raises(UserError, match="by another recipe"):
        results.merge(tmp_path, with_starts(grid.cells(other)), [], other)
    more = dataclasses.replace(study, num_train=study.num_train + 12)
    with pytest.raises(UserError, match=r"seed0/data_main by another recipe \(data.num_videos\)"):
        results.held(tmp_path, with_starts(grid.cells(more)))
    assert (tmp_path / results.FILE).read_text() == text


def test_a_cell_of_another_study_is_refused(tmp_path, study, cells):
    results.merge(tmp_path, cells, [result(cell) for cell in cells], study)
    other = dataclasses.replace(study, lengths=((5, (5,)),))
    with pytest.raises(UserError, match="has seed0/.*20.*, which is not in this study"):
        results.held(tmp_path, with_starts(grid.cells(other)))


def test_forgotten_cells_are_missing(tmp_path, study, cells):
    results.merge(tmp_path, cells, [result(cell) for cell in cells], study)
    results.forget(tmp_path, cells[:2])
    assert set(results.held(tmp_path, cells)) == {cell.name for cell in cells[2:]}
    results.forget(tmp_path / "nowhere", cells)


@pytest.mark.parametrize("content", ['{"settings": {}, "cells": []}', '{"format": 3}', "{"])
def test_other_files_are_one_line(tmp_path, content):
    (tmp_path / results.FILE).write_text(content)
    with pytest.raises(UserError, match="results.json is (of another version of the study|no JSON)"):
        results.read(tmp_path)
    with pytest.raises(UserError, match="no results yet: looked for .*nowhere"):
        results.read(tmp_path / "nowhere")


def test_rows_are_tests_with_what_their_cell_says(tmp_path, study, cells):
    tests = [{"split": "test", "T": 20, "Ts": count, "labels": "0", "clips": {}} for count in (5, 10)]
    results.merge(tmp_path, cells, [result(cells[0], variant="one", tests=tests)], study)
    rows = results.rows(results.read(tmp_path))
    assert [(row["cell"], row["seed"], row["variant"], row["Ts"]) for row in rows] == [
        (cells[0].name, 0, "one", 5),
        (cells[0].name, 0, "one", 10),
    ]


def test_elapsed_time_counts_cells_side_by_side_once_and_pauses_not():
    cells = [
        {"ended_at": 110.0, "wall_seconds": 10.0},
        {"ended_at": 112.0, "wall_seconds": 7.0},
        {"ended_at": 109.0, "wall_seconds": 1.0},
        {"ended_at": 500.0, "wall_seconds": 20.0},
    ]
    assert results.wall_seconds({"cells": cells}) == 32.0


@pytest.mark.slow
def test_the_program_runs_what_is_missing(tmp_path, study, cells):
    folders = [f"--{name}_dir={tmp_path / name}" for name in ("output", "runs", "data")]
    held = [cell for cell in cells if cell.group != "table2" or cell.config.method in ("i3d_a", "tsd")]
    results.merge(tmp_path / "other" / "quick", cells, [result(cell) for cell in held], study)
    command = [sys.executable, "-m", "study", "--quick", "--list", f"--join={tmp_path / 'other' / 'quick'}", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    listed = [line.split()[-1] for line in done.stdout.splitlines()[:-1]]
    # Three methods, and what they start from: that it is in the results leaves no network to start from.
    assert listed == [
        "seed0/data_main",
        "seed0/i3d_pretrained",
        "seed0/i3d_T5",
        "seed0/i3d_r_T20_Ts5",
        "seed0/i3d_e_T20_Ts5",
    ]
    assert "in 5 cells" in done.stdout
