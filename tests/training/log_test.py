import json

from tsd_tf.training.log import cut_back

STAGES = ["first", "second"]


def line(stage, step):
    return json.dumps({"stage": stage, "step": step, "loss": 1.0}) + "\n"


def test_what_comes_behind_the_checkpoint_is_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(line("first", 10) + line("first", 20) + line("second", 10) + line("second", 20) + '{"stage": "sec')
    cut_back(path, STAGES, {"stage": 1, "step": 15})
    assert path.read_text() == line("first", 10) + line("first", 20) + line("second", 10)
    cut_back(path, STAGES, {"stage": 0, "step": 20})
    assert path.read_text() == line("first", 10) + line("first", 20)
    cut_back(path, STAGES, {"stage": 0, "step": 0})
    assert path.read_text() == ""
    assert [one.name for one in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_log_that_is_right_is_left_alone(tmp_path):
    path = tmp_path / "log.jsonl"
    cut_back(path, STAGES, {"stage": 0, "step": 0})
    assert not path.exists()
    path.write_text(line("first", 10))
    before = path.stat().st_ino
    cut_back(path, STAGES, {"stage": 0, "step": 10})
    assert path.stat().st_ino == before
