"""Whatever is in a file: a status or one line, within 10 s and 1 GB, from builder, verification and client."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import fuzz_trial, mutations, small_videos
from tsd_tf.client import capture

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return small_videos.contents(tmp_path_factory.mktemp("originals"))


@pytest.fixture
def trial(tmp_path):
    trial = fuzz_trial.FuzzTrial(tmp_path)
    yield trial
    trial.close()


def _run(trial, folder, name, content, seed=0):
    path = folder / f"tried-{name}"
    path.write_bytes(content)
    return trial.run(path, seed)


def test_whole_files(originals, trial, tmp_path):
    assert len(originals) >= 15
    for name, content in originals.items():
        assert _run(trial, tmp_path, name, content) == [], name
    assert trial.statuses["build"] == {"written": len(originals)}
    assert trial.statuses["client"] == {"frames": len(originals)}


def test_200_damaged_files(originals, trial, tmp_path):
    tried = set()
    for seed in range(200):
        name, content, how = mutations.mutated_one(originals, seed)
        assert _run(trial, tmp_path, name, content, seed) == [], f"seed {seed}, {name}: {how}"
        tried.add(name)
    assert tried == set(originals)
    for stage, outcomes in (("build", ("written", "unreadable")), ("client", ("frames", "unreadable"))):
        assert sum(trial.statuses[stage].values()) == 200
        assert min(trial.statuses[stage][outcome] for outcome in outcomes) >= 40
    assert min(trial.statuses["verify"].values()) >= 40
    assert 0 < max(trial.peak_bytes.values()) < 1 << 29


def test_what_should_not_happen_is_found(originals, trial, tmp_path, monkeypatch):
    content = originals["mpeg4.avi"]
    with monkeypatch.context() as changed:
        changed.setattr(fuzz_trial, "MAX_BYTES", 1)
        changed.setattr(fuzz_trial, "MAX_SECONDS", 0.0)
        findings = _run(trial, tmp_path, "v.avi", content)
        assert {finding.stage for finding in findings} == {"build", "verify", "client"}
        assert {finding.what.split()[0] for finding in findings} >= {"took", "no"}
    with monkeypatch.context() as changed:
        changed.setattr(capture, "video_frames", lambda *_: iter([None]))
        (finding,) = _run(trial, tmp_path, "v.avi", content)
        assert finding.stage == "client"
        assert "AttributeError" in finding.what


def test_damage_is_the_same_for_the_same_seed(originals):
    for seed in range(100):
        name, content, _ = mutations.mutated_one(originals, seed)
        assert mutations.mutated_one(originals, seed)[:2] == (name, content)
        assert mutations.mutate(b"", seed) == mutations.mutate(b"", seed)
    assert len({mutations.mutated_one(originals, seed)[1] for seed in range(0, 2000, 20)}) > 80


def test_boxes_and_chunks_are_found(originals):
    found = {name: mutations.chunks(content) for name, content in originals.items()}
    for name, content in originals.items():
        assert len(found[name]) >= 3, name
        assert all(0 <= start < end <= len(content) for start, end in found[name])
    names = {originals["h264.mp4"][start + 4 : start + 8] for start, _ in found["h264.mp4"]}
    assert names >= {b"ftyp", b"moov", b"stts", b"avc1", b"avcC", b"mdat"}
    assert {originals["moving.webp"][start : start + 4] for start, _ in found["moving.webp"]} >= {b"VP8X", b"ANMF"}


def test_the_program(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz_video", "--files=20", "--seed=3", f"--output={tmp_path}/f.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "f.json").read_text())
    assert (report["files"], report["findings"], len(report["formats"])) == (20, [], 19)
    assert "20 files in" in done.stdout
