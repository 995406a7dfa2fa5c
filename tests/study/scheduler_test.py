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
from study.run_cell import result_path
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import machine

pytestmark = pytest.mark.slow


def data_cell(tmp_path, name, source=None, videos=12, data_name="main"):
    return Cell(
        name,
        "data",
        0,
        data={
            "folder": str(tmp_path / "data" / name),
            "name": data_name,
            "videos": {"train": videos, "validate": 12, "test": 12},
            "seed": 0,
        },
        data_from=source,
    )


def test_runs_cells_behind_what_they_need_and_resumes(tmp_path, capfd):
    cells = [data_cell(tmp_path, "second", source="first"), data_cell(tmp_path, "first")]
    scheduler.run(cells, tmp_path / "runs", workers=2)
    times = {name: result_path(tmp_path / "runs", name).stat().st_mtime_ns for name in ("first", "second")}
    assert times["first"] < times["second"]
    assert json.loads(result_path(tmp_path / "runs", "first").read_text())["cpu_seconds"] > 0
    assert (tmp_path / "data/second/test_events.csv").exists()
    assert "2/2" in capfd.readouterr().err
    scheduler.run(cells, tmp_path / "runs", workers=2)
    assert times == {name: result_path(tmp_path / "runs", name).stat().st_mtime_ns for name in times}


@pytest.mark.skipif(machine.num_cores() < 2, reason="needs two cores")
def test_a_cell_of_two_threads_has_two_cores(tmp_path):
    cells = [data_cell(tmp_path, "one"), dataclasses.replace(data_cell(tmp_path, "two"), threads=2)]
    scheduler.run(cells, tmp_path / "runs", workers=2)
    cores = {cell.name: json.loads(result_path(tmp_path / "runs", cell.name).read_text())["cores"] for cell in cells}
    assert cores == {"one": 1, "two": 2}
    # As many videos, whoever builds them.
    assert (tmp_path / "data/one/labels.txt").read_text() == (tmp_path / "data/two/labels.txt").read_text()
    assert (tmp_path / "data/one/train_events.csv").read_text() == (tmp_path / "data/two/train_events.csv").read_text()


def test_a_failed_cell_is_named_and_stops_only_what_needs_it(tmp_path):
    cells = [
        data_cell(tmp_path, "bad", data_name="nothing of that name"),
        data_cell(tmp_path, "never", source="bad"),
        data_cell(tmp_path, "good"),
    ]
    with pytest.raises(UserError, match=r"1 of 3 cells failed, the first is bad: KeyError: .*bad/output.txt"):
        scheduler.run(cells, tmp_path / "runs", workers=1)
    assert result_path(tmp_path / "runs", "good").exists()
    assert not result_path(tmp_path / "runs", "never").exists()


def test_a_result_of_other_settings_is_refused(tmp_path):
    """A table would mix what two studies found."""
    scheduler.run([data_cell(tmp_path, "first")], tmp_path / "runs", workers=1)
    with pytest.raises(UserError, match=r"first/result.json belongs to other settings; remove .*runs"):
        scheduler.run([data_cell(tmp_path, "first", videos=24)], tmp_path / "runs", workers=1)


def test_a_cell_that_needs_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="needed, but not among those to run: first"):
        scheduler.run([data_cell(tmp_path, "second", source="first")], tmp_path, workers=1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_study_leaves_no_worker(tmp_path, how):
    """The next one would run the same cell beside it."""
    cell = data_cell(tmp_path, "long", videos=100_000)
    code = (
        "import pickle\n"
        "from study import scheduler\n"
        "if __name__ == '__main__':\n"
        f"    scheduler.run([pickle.loads({pickle.dumps(cell)!r})], {str(tmp_path / 'runs')!r}, workers=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = pathlib.Path(__file__).resolve().parents[2]
    study = subprocess.Popen([sys.executable, str(script)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    folder = tmp_path / "data/.long.videos"
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
