"""The whole path of the study at a tiny size: data, pretraining, methods, tests, bytes, JSON, tables and pictures."""

import csv
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from study import data, grid, report, results, run_cell, scheduler, settings, tables, testing
from study.cell import Test, with_starts
from tsd_tf.contract.errors import DivergedError
from tsd_tf.evaluation import event_clips
from tsd_tf.evaluation.coding import DISTILLED, UNIFORM, WHOLE_CLIP, Coding
from tsd_tf.network_builder import build_network
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(__file__).parent
OWN_PARTS = FOLDER.parent / "own_parts"
WANTED = ("tsd_T5_Ts2", "bytes_T5_Ts2", "map_i3d_r_Ts2", "map_i3d_e_Ts2", "tsd_T5_Ts2_split2")


def tiny():
    """A study of a few videos and updates."""
    full = settings.full()

    def short(recipe):
        coarse, trimmed = (
            dataclasses.replace(stage, num_steps=1, boundaries=(), batch_size=2)
            for stage in (recipe.coarse, recipe.pretraining[0])
        )
        # Features of three updates hardly differ over time. An automatic scale blows up what rounding makes of them, so
        # that an export would be refused.
        choices = {**recipe.choices, "tsd": settings.Choice(logit_scale=1 / 64)}
        sizes = {"updates": 3, "client_updates": 1, "batch_size": 2, "choices": choices}
        return dataclasses.replace(recipe, coarse=coarse, pretraining=(trimmed,), **sizes)

    return dataclasses.replace(
        full,
        name="tiny",
        seeds=(0,),
        # A uniform P of five frames leaves no level halfway between two, where exported networks may round otherwise.
        lengths=((2, (2, 5)),),
        num_train=12,
        num_test=12,
        num_map_test=12,
        num_target=36,
        map_frames=5,
        map_distilled=(2,),
        map_events=(3, 24),
        fine_tune_updates=1,
        actions=short(full.actions),
        codings=(Coding("raw", None), Coding("jpeg", 5), Coding("jpeg", 90))
        + tuple(Coding("h264", crf, what) for what in (DISTILLED, WHOLE_CLIP, UNIFORM) for crf in (18, 40)),
        main_network="own_parts:functional",  # quick to trace
    )


def cells():
    """Those of the study that are run here."""
    return [cell for cell in grid.cells(tiny()) if cell.name in {f"seed0/{name}" for name in WANTED}]


@pytest.fixture(scope="module", autouse=True)
def importable():
    """own_parts can be imported, as from the folder that a program is started in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(OWN_PARTS)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(Folders, folder of the report, the cells that were run, starts among them)."""
    folder = tmp_path_factory.mktemp("study")
    folders = run_cell.Folders(folder / "runs/tiny", folder / "data/tiny")
    wanted = with_starts(cells())
    for cell in wanted:
        run_cell.run_cell(cell, folders)
    results.merge(folder / "report", wanted, results.finished(wanted, folders), tiny())
    report.write_example_frames(cells(), folders, folder / "report")
    report.write(folder / "report")
    return folders, folder / "report", wanted


@pytest.fixture(scope="module")
def found(finished):
    """{name: result}."""
    return {cell["cell"].removeprefix("seed0/"): cell for cell in results.read(finished[1])["cells"]}


def test_every_cell_leaves_what_it_found(found):
    assert set(WANTED) < set(found)
    tsd = found["tsd_T5_Ts2"]
    assert tsd["updates"] == 3
    (test,) = tsd["tests"]
    assert (len(test["labels"]), set(test["clips"])) == (12, {"1", "3", "10"})
    for clips in test["clips"].values():
        right = sum(one == other for one, other in zip(test["labels"], clips["predicted"], strict=True))
        assert clips["top1"] == pytest.approx(right / 12)
    assert 0 < test["matrix"]["mass_in_event"] < 1
    # Five frames never show a whole event of ten, but the examples show some of it.
    assert test["matrix"]["whole_event"] == {"clips": 0, "top1": None, "top1_of_event": None}
    assert all(example["event"] for example in test["matrix"]["examples"])
    assert found["tsd_T5_Ts2_split2"]["ucf_split"] == 2
    # A third of the videos, and none of them among those that it was trained on.
    assert len(found["tsd_T5_Ts2_split2"]["tests"][0]["labels"]) == 12
    assert {cell["cpu_seconds"] > 0 for cell in found.values()} == {True}
    assert {cell["environment"]["cores_of_cell"] > 0 for cell in found.values()} == {True}


def test_the_map_is_tested_by_the_length_of_the_event(finished, found):
    folders, _, _ = finished
    assert [test["split"] for test in found["map_i3d_e_Ts2"]["tests"]] == ["test_3", "test_24"]
    for length in (3, 24):
        events = event_clips.read_events(folders.data / "seed0_map", data.exact_split(length))
        assert {frames for _, frames in events.values()} == {length}
    trained = event_clips.read_events(folders.data / "seed0_map", "train")
    assert len({frames for _, frames in trained.values()}) > 3


def test_bytes_are_those_that_travel(found):
    codings = {(one["what"], one["codec"], one["quality"]): one for one in found["bytes_T5_Ts2"]["codings"]}
    assert len(codings) == 9
    raw = codings["distilled", "raw", None]
    assert 0 < raw["bytes_per_clip"] - 2 * 64 * 64 * 3 < 150  # what the request says beside its frames
    assert codings["distilled", "jpeg", 5]["bytes_per_clip"] < codings["distilled", "jpeg", 90]["bytes_per_clip"]
    for what in ("distilled", "whole_clip", "uniform"):
        assert codings[what, "h264", 40]["bytes_per_clip"] < codings[what, "h264", 18]["bytes_per_clip"]


def test_what_is_finished_is_not_run_again(finished):
    folders, _, wanted = finished
    before = {cell.name: folders.result(cell.name).stat().st_mtime_ns for cell in wanted}
    scheduler.run(wanted, folders, workers=1)
    assert before == {cell.name: folders.result(cell.name).stat().st_mtime_ns for cell in wanted}


def test_a_training_that_diverges_is_a_result(finished):
    folders, _, wanted = finished
    (cell,) = (cell for cell in wanted if cell.name == "seed0/tsd_T5_Ts2")
    stages = tuple(dataclasses.replace(stage, learning_rate=1e30, optimizer="sgd") for stage in cell.config.stages)
    config = dataclasses.replace(cell.config, stages=stages)
    hopeless = dataclasses.replace(cell, name="seed0/hopeless", labels={"variant": "in leaps"}, config=config)
    run_cell.run_cell(hopeless, folders)
    (result,) = results.finished([hopeless], folders)
    assert "tests" not in result
    ((name, variant, what),) = tables.diverged([result]).rows
    assert (name, variant) == ("seed0/hopeless", "in leaps")
    assert re.fullmatch(r"the (loss|gradient norm) of step 0 of stage end_to_end is (nan|inf)", what)
    with pytest.raises(DivergedError, match="is (nan|inf); its batch held the records"):  # others would start from it
        run_cell.run_cell(dataclasses.replace(hopeless, name="seed0/start", tests=()), folders)


def test_the_report_is_made_of_the_json_alone(finished, found, tmp_path):
    _, written, _ = finished
    shutil.copy(written / results.FILE, tmp_path)
    report.write(tmp_path)
    assert (written / "figure2_frames.png").stat().st_size > 1000
    for path in written.iterdir():
        if path.suffix in (".md", ".csv"):
            assert (tmp_path / path.name).read_text() == path.read_text()
    pictures = {"figure3_frames.png", "figure3_bytes.png", "figure2_matrices.png", "map.png"}
    assert pictures <= {path.name for path in tmp_path.iterdir()}
    with (tmp_path / "table2.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["I3D+TSD"] == f"{100 * found['tsd_T5_Ts2']['tests'][0]['clips']['3']['top1']:.1f}"
    assert row["seeds"] == "1"
    text = (written / "tables.md").read_text()
    for title in (
        "Table 2",
        "Table 3",
        "Where does each method win?",
        "Bytes at equal accuracy",
        "Table 4",
        "Figure 2",
    ):
        assert f"## {title}" in text


def test_the_program_adds_what_is_finished_to_the_results_and_reports(finished, tmp_path):
    """The quick study's program, with the cells of this test in place of its own."""
    folders, written, _ = finished
    code = (
        "from study import __main__ as program, grid, settings\n"
        "import study_test\n"
        "settings.quick, found = study_test.tiny, study_test.cells()\n"
        "grid.cells = lambda sizes: found\n"
        "program.start()\n"
    )
    flags = [f"--output_dir={tmp_path}", f"--runs_dir={folders.runs.parent}", f"--data_dir={folders.data.parent}"]
    done = subprocess.run(
        [sys.executable, "-c", code, "--quick", *flags],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (FOLDER.parents[1], FOLDER, OWN_PARTS)))},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stdout) == (0, f"Tables: {tmp_path}/quick/tables.md; pictures beside it\n"), (
        done.stderr
    )
    names = {path.name for path in written.iterdir()}
    assert {path.name for path in (tmp_path / "quick").iterdir()} == names
    for name in names:
        assert (tmp_path / "quick" / name).read_bytes() == (written / name).read_bytes(), name


def test_the_json_does_not_say_where_it_was_run(finished, found):
    folders, written, _ = finished
    assert str(folders.runs.parents[1]) not in (written / results.FILE).read_text()
    assert found["tsd_T5_Ts2"]["recipe"]["config"]["data_dir"] == "seed0_main"


def test_attention_is_tested_at_any_number_of_frames(finished, tmp_path):
    """Its weights do not depend on T_s, so one training serves all."""
    folders, _, _ = finished
    (cell,) = [cell for cell in grid.cells(tiny()) if cell.name == "seed0/i3d_a_T5"]
    config = run_cell.config_here(cell, folders)
    run = WorkDirectory(tmp_path / "run")
    (run.checkpoints_path / "step_00000001").mkdir(parents=True)
    build_network(config).save_weights(run.checkpoints_path / "step_00000001" / "network.weights.h5")
    tests = [testing.run_test(run, config, Test("test", 5, count, (1,), matrix=True)) for count in (2, 5)]
    assert [test["Ts"] for test in tests] == [2, 5]
    # The T_s best frames, one in each column.
    assert [len(test["matrix"]["examples"][0]["P"][0]) for test in tests] == [2, 5]
    assert all(test["matrix"]["maximum"] == 1 for test in tests)
