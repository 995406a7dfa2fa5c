import dataclasses
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import pytest

from study import scheduler
from study.cell import Cell
from study.data import SCENES, DataSet
from study.run_cell import Folders
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import machine

pytestmark = pytest.mark.slow


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "runs", tmp_path / "data")


def data_cell(name, source=None, videos=12, seed=0):
    """Builds sprites, in a folder of its seed."""
    return Cell(name, "data", seed, data=DataSet("axis", seed, {"train": videos}, SCENES["axis"]), data_from=source)


def test_runs_cells_behind_what_they_need_and_resumes(folders, capfd):
    first = data_cell("first")
    second = data_cell("second", source=first, seed=1)
    scheduler.run([second], folders, workers=2)
    times = {name: folders.result(name).stat().st_mtime_ns for name in ("first", "second")}
    assert times["first"] < times["second"]
    assert json.loads(folders.result("first").read_text())["cpu_seconds"] > 0
    assert (folders.data / "seed1_axis/train_events.csv").exists()
    assert "2/2" in capfd.readouterr().err
    scheduler.run([second], folders, workers=2)
    assert times == {name: folders.result(name).stat().st_mtime_ns for name in times}
    # A finished cell needs no start any more.
    folders.result("first").unlink()
    assert scheduler.unfinished([second], folders) == {}
    assert set(scheduler.unfinished([data_cell("third", source=first, seed=2), second], folders)) == {"first", "third"}


@pytest.mark.skipif(machine.num_cores() < 2, reason="needs two cores")
def test_a_cell_of_two_threads_has_two_cores(folders):
    cells = [data_cell("one"), dataclasses.replace(data_cell("two", seed=1), threads=2)]
    scheduler.run(cells, folders, workers=2)
    found = {cell.name: json.loads(folders.result(cell.name).read_text())["environment"] for cell in cells}
    assert {name: environment["cores_of_cell"] for name, environment in found.items()} == {"one": 1, "two": 2}


def test_as_many_videos_whoever_builds_them(tmp_path):
    cell = data_cell("one")
    for processes in (1, 2):
        cell.data.build(tmp_path / str(processes), processes)
    for name in ("labels.txt", "train_events.csv", "manifest-train.csv"):
        one, two = (tmp_path / processes / "seed0_axis" / name for processes in "12")
        assert one.read_text() == two.read_text()


def test_a_failed_cell_is_named_and_stops_only_what_needs_it(folders):
    bad = dataclasses.replace(data_cell("bad"), data=DataSet("axis", 0, {"nothing of that name": 12}, SCENES["axis"]))
    cells = [bad, data_cell("never", source=bad, seed=1), data_cell("good", seed=2)]
    with pytest.raises(UserError, match=r"1 of 3 cells failed, the first is bad: .*bad/output.txt"):
        scheduler.run(cells, folders, workers=1)
    assert folders.result("good").exists()
    assert not folders.result("never").exists()


def test_a_result_of_another_recipe_is_refused(folders):
    """A table would mix what two studies found."""
    scheduler.run([data_cell("first")], folders, workers=1)
    with pytest.raises(UserError, match=r"first/result.json is of another recipe: remove .*runs"):
        scheduler.run([data_cell("first", videos=24)], folders, workers=1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_study_leaves_no_worker(tmp_path, how):
    """The next one would run the same cell beside it."""
    cell = data_cell("long", videos=100_000)
    code = (
        "import pickle\n"
        "import pathlib\n"
        "from study import scheduler\n"
        "from study.run_cell import Folders\n"
        "if __name__ == '__main__':\n"
        f"    folders = Folders(pathlib.Path({str(tmp_path / 'runs')!r}), pathlib.Path({str(tmp_path / 'data')!r}))\n"
        f"    scheduler.run([pickle.loads({pickle.dumps(cell)!r})], folders, workers=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = pathlib.Path(__file__).resolve().parents[2]
    study = subprocess.Popen([sys.executable, str(script)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    folder = tmp_path / "data/.seed0_axis.videos"
    assert happens(lambda: folder.exists() and any(folder.iterdir()))
    study.send_signal(how)
    study.wait(timeout=60)
    assert happens(lambda: stopped_growing(folder))


def happens(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def stopped_growing(folder):
    before = sorted(path.name for path in folder.rglob("*"))
    time.sleep(2)
    return before == sorted(path.name for path in folder.rglob("*"))
