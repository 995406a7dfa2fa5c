"""The program as it is called, at its smallest."""

import json
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks.input_pipeline", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_every_way_of_reading_is_measured(tmp_path):
    output = tmp_path / "input.json"
    sizes = ["--videos=4", "--video_frames=12", "--T=4", "--crop_size=32", "--short_side=64", "--batch_size=2"]
    done = run(*sizes, "--rounds=2", "--clips=4", "--epochs=4", "--builder_rounds=1", f"--output={output}")
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    reading = report["reading"]
    ways = {"reader", "jpeg_decode_by_frame", "jpeg_decode_by_clip", "opencv_mp4"}
    assert ways <= set(reading["frames_per_second"])
    assert all(len(speeds) == 2 and min(speeds) > 0 for speeds in reading["rounds"].values())
    speeds = reading["rounds"]
    ratios = [one / two for one, two in zip(speeds["reader"], speeds["jpeg_decode_by_frame"], strict=True)]
    assert reading["reader_to_jpeg_decode_by_frame"] == pytest.approx(sum(ratios) / 2)
    assert len(report["memory"]["resident_megabytes"]) == 4
    assert set(report["builder"]["videos_per_second"]) == {"1", "2"}
    assert report["bytes_per_video"]["record"] > 0


def test_sizes_that_do_not_fit_are_refused(tmp_path):
    done = run("--crop_size=300", f"--output={tmp_path / 'input.json'}")
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "--crop_size must not be larger than --short_side" in done.stderr
