"""The whole path of the study at a tiny size: data, pretraining, methods, tests, JSON, tables and pictures."""

import csv
import dataclasses
import json

import pytest

from study import grid, report, results, run_cell, settings, tables

pytestmark = pytest.mark.slow

TINY = settings.Settings(
    name="tiny",
    seeds=(0,),
    lengths=((5, (5, 10)),),
    num_train=24,
    num_validate=12,
    num_test=12,
    num_target=36,
    coarse_updates=1,
    trimmed_updates=1,
    second_trimmed_updates=1,
    long_updates=1,
    direction_updates=1,
    updates=2,
    client_updates=1,
    fine_tune_updates=1,
    batch_size=2,
    main_network="resnet3d_18",  # the quickest to trace
    main_network_width=0.03,
)
CHOICES = {method: settings.Choice() for method in settings.METHODS}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """(folder of runs, folder of the report, the cells that were run)."""
    folder = tmp_path_factory.mktemp("study")
    wanted = ("data_main", "coarse", "i3d_pretrained", "tsd_T10_Ts5", "data_target", "tsd_T10_Ts5_split2")
    cells = grid.cells(TINY, CHOICES, folder / "runs", folder / "data")
    cells = [cell for cell in cells if cell.name in {f"seed0/{name}" for name in wanted}]
    order = {f"seed0/{name}": place for place, name in enumerate(wanted)}
    cells.sort(key=lambda cell: order[cell.name])
    assert len(cells) == len(wanted)
    for cell in cells:
        run_cell.run_cell(cell, folder / "runs")
    results.collect(cells, folder / "runs", folder / "data", TINY, CHOICES, 1, folder / "report")
    report.write_example_frames(cells, folder / "runs", folder / "report")
    report.write(folder / "report")
    return folder / "runs", folder / "report", cells


def test_every_cell_leaves_what_it_found(folders):
    runs, _, cells = folders
    found = {cell.name: json.loads(run_cell.result_path(runs, cell.name).read_text()) for cell in cells}
    tsd = found["seed0/tsd_T10_Ts5"]
    assert tsd["main_network_updates"] == 2
    (test,) = tsd["tests"]
    assert len(test["labels"]) == 12
    for clips in test["clips"].values():
        right = sum(one == other for one, other in zip(test["labels"], clips["predicted"], strict=True))
        assert clips["top1"] == pytest.approx(right / 12)
    assert 0 < tsd["matrix"]["mass_in_event"] < 1
    assert [entry["coding"] for entry in tsd["compression"]][0] == "uint8"
    assert 0 < tsd["compression"][0]["bytes"] - 5 * 64 * 64 * 3 < 150  # what the request says beside its frames
    sizes = [entry["bytes"] for entry in tsd["compression"] if entry["coding"].startswith("JPEG")]
    assert sizes == sorted(sizes)
    sizes = [entry["bytes"] for entry in tsd["compression"] if entry["coding"].startswith("H.264")]
    assert (len(sizes), sizes) == (6, sorted(sizes, reverse=True))
    assert found["seed0/tsd_T10_Ts5_split2"]["ucf_split"] == 2
    # A third of the videos, and none of them among those that it was trained on.
    assert len(found["seed0/tsd_T10_Ts5_split2"]["tests"][0]["labels"]) == 12
    assert {cell["cpu_seconds"] > 0 for cell in found.values()} == {True}


def test_a_finished_cell_is_not_run_again(folders):
    runs, _, cells = folders
    before = run_cell.result_path(runs, cells[-1].name).stat().st_mtime_ns
    run_cell.run_cell(cells[-1], runs)
    assert run_cell.result_path(runs, cells[-1].name).stat().st_mtime_ns == before


def test_the_report_is_made_of_the_json_alone(folders, tmp_path):
    _, written, _ = folders
    (tmp_path / results.FILE).write_text((written / results.FILE).read_text())
    report.write(tmp_path)
    assert (written / "figure2_frames.png").stat().st_size > 1000
    for path in written.iterdir():
        if path.suffix in (".md", ".csv"):
            assert (tmp_path / path.name).read_text() == path.read_text()
    assert {"figure3_frames.png", "figure3_bytes.png", "figure2_matrices.png"} <= {p.name for p in tmp_path.iterdir()}
    with (tmp_path / "table2.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = results.read(tmp_path)
    (tsd,) = [cell for cell in found["cells"] if cell["cell"] == "seed0/tsd_T10_Ts5"]
    assert rows[0]["I3D+TSD"] == f"{100 * tsd['tests'][0]['clips']['3']['top1']:.1f}"


def test_the_json_does_not_say_where_it_was_run(folders):
    runs, written, _ = folders
    text = (written / results.FILE).read_text()
    assert str(runs.parent) not in text
    found = json.loads(text)
    (tsd,) = [cell for cell in found["cells"] if cell["cell"] == "seed0/tsd_T10_Ts5"]
    assert (tsd["config"]["data_dir"], tsd["config"]["mobilenet_weights"]) == (
        "tiny/seed0_main",
        "seed0/coarse/coarse.weights.h5",
    )
    assert 0 < found["wall_seconds"] <= sum(cell["wall_seconds"] for cell in found["cells"]) + 1


def test_elapsed_time_counts_cells_side_by_side_once_and_pauses_not():
    cells = [
        {"ended_at": 110.0, "wall_seconds": 10.0},
        {"ended_at": 112.0, "wall_seconds": 7.0},
        {"ended_at": 109.0, "wall_seconds": 1.0},
        {"ended_at": 500.0, "wall_seconds": 20.0},
    ]
    assert results.elapsed_seconds(cells) == 32.0


def test_tables_of_several_seeds():
    found = {"settings": dataclasses.asdict(settings.full()), "cells": []}
    answers = {("tsd", 20, 5): ("0101", "0100"), ("i3d_e", 20, 5): ("0000", "0001"), ("i3d", 10, 10): ("0100", "0101")}
    for (method, length, distilled), by_seed in answers.items():
        for seed, predicted in enumerate(by_seed):
            top1 = sum(one == other for one, other in zip(predicted, "0101", strict=True)) / 4
            test = {"labels": "0101", "clips": {"3": {"top1": top1, "predicted": predicted}}}
            cell = {"group": "table2", "seed": seed, "method": method, "T": length, "Ts": distilled, "tests": [test]}
            found["cells"].append(cell)
    cells, sizes = found["cells"], found["settings"]
    rows = tables.table2(cells, sizes).rows
    assert rows == [
        ["5", "20", "", "", "", "62.5 ± 17.7", "87.5 ± 17.7"],
        ["10", "10", "87.5 ± 17.7", "", "", "", ""],
    ]
    best, twice = tables.target(cells, sizes).rows
    assert best[:3] == ["20 to 5", "the best of the others: I3D_E 20 to 5", "+25.0 ± 35.4"]
    assert twice[:3] == ["20 to 5", "I3D at 2 T_s: I3D 10 to 10", "+0.0 ± 35.4"]
