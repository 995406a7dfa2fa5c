"""The program as it is called, at its shortest; and its parts against what is known."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

from benchmarks import stream_accounts
from benchmarks.memory_samples import MemorySamples

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _answer(frame):
    return {"start": frame / 25}


def _lost(frame):
    return {"lost": {"start": frame / 25}}


def _gap(frame, frames):
    return {"gap": {"start": frame / 25, "frames": frames}}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([_answer(0), _lost(8), _answer(16)], {"answered": 2, "lost": 1, "frames_in_clips": 24}),
        # The last clip of a piece reaches back; what makes no clip is lost with the gap.
        ([_answer(0), _answer(5), _gap(13, 40), _answer(53)], {"answered": 3, "gaps": 1, "frames_lost": 40}),
        ([_answer(0), _gap(8, 20), _gap(31, 23), _answer(51)], {"gaps": 2, "frames_lost": 43}),
        ([_answer(0), _answer(16)], {"unaccounted": 8}),
        ([_answer(3)], {"unaccounted": 3}),
        ([_answer(0), _gap(8, 20), _answer(29)], {"unaccounted": 1}),
        ([_answer(0), _answer(8), _answer(0)], {"repeated": 1, "frames_in_clips": 16}),
    ],
)
def test_frames_are_accounted_for(events, expected):
    found = stream_accounts.account(events, 8, 25.0)
    assert found.items() >= expected.items()
    if "unaccounted" not in expected:
        assert found["unaccounted"] == 0


def test_memory_that_grows_is_seen():
    body = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(b'x' * 2_000_000))\n    time.sleep(0.05)"
    with MemorySamples(0.05) as samples, subprocess.Popen([sys.executable, "-c", body]) as process:
        samples.watched[process.pid] = "greedy"
        time.sleep(3)
        process.kill()
    (found,) = samples.summary()
    assert found["name"] == "greedy"
    assert found["growth"] > 0.2
    assert found["last_quarter_mb"] > found["second_quarter_mb"] + 5


@pytest.mark.slow
def test_the_program(exported, tmp_path):
    output = tmp_path / "soak.json"
    arguments = ["--minutes=0.12", "--quiet_seconds=2", f"--export_dir={exported.folder}", f"--output={output}"]
    command = [sys.executable, "-m", "benchmarks.soak", *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text())
    assert [fault["what"] for fault in found["faults"]] == ["stream drops", "server restarts"]
    assert found["complaints"] == []
    accounts, summary = found["accounts"], found["summary"]
    assert (accounts["unaccounted"], accounts["gaps"], summary["reopened"]) == (0, 1, 1)
    assert accounts["answered"] > 0
    assert summary["retries"] > 0
    assert abs(accounts["frames_in_clips"] + accounts["frames_lost"] - found["frames_due"]) < 100
    assert {of["name"] for of in found["memory"]} >= {"client", "client's child", "server 1"}
