import json

from tsd_tf.config import Stage
from tsd_tf.training.log import Log
from tsd_tf.training.run_state import RunState

STAGES = ["first", "second"]


def line(stage, step):
    return json.dumps({"stage": stage, "step": step, "loss": 1.0}) + "\n"


def cut_back(path, position):
    """Opens the log of a run that goes on at a position."""
    Log(path, STAGES, position).close()


def test_what_comes_behind_the_checkpoint_is_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(line("first", 10) + line("first", 20) + line("second", 10) + line("second", 20) + '{"stage": "sec')
    cut_back(path, {"stage": 1, "step": 15})
    assert path.read_text() == line("first", 10) + line("first", 20) + line("second", 10)
    cut_back(path, {"stage": 0, "step": 20})
    assert path.read_text() == line("first", 10) + line("first", 20)
    cut_back(path, {"stage": 0, "step": 0})
    assert path.read_text() == ""
    assert [one.name for one in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_log_that_is_right_is_left_alone(tmp_path):
    path = tmp_path / "log.jsonl"
    cut_back(path, {"stage": 0, "step": 0})
    assert path.read_text() == ""
    path.write_text(line("first", 10))
    before = path.stat().st_ino
    cut_back(path, {"stage": 0, "step": 10})
    assert path.stat().st_ino == before


def test_reported_lines_are_on_disk_at_once_with_their_stage_and_step(tmp_path):
    log = Log(tmp_path / "log.jsonl", STAGES, {"stage": 0, "step": 0})
    state = RunState(None, Stage("first", "network", 10, 0.1), step=3)
    log.reported(state, {"loss": 1.0})
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"stage": "first", "step": 3, "loss": 1.0}
    log.reported(state, {"warning": "P"})
    log.close()
    assert [json.loads(one)["step"] for one in (tmp_path / "log.jsonl").read_text().splitlines()] == [3, 3]
