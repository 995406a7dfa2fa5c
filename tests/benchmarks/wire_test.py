"""The program as it is called, at its smallest; and its parts against what is known."""

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from benchmarks import load, wire_bytes, wire_serving
from tsd_tf.video.video_writing import write_video

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks.wire", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A coarse noise that moves to the right, 2 s of 96 x 80 pixels at 25 a second."""
    path = tmp_path_factory.mktemp("video") / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (20, 37, 1), "uint8").repeat(4, 0).repeat(4, 1).repeat(3, 2)
    noise = cv2.GaussianBlur(noise, (0, 0), 1)
    write_video(path, np.stack([noise[:, 50 - index : 146 - index] for index in range(50)]), 25)
    return path


def test_bytes_and_times(video, tmp_path):
    output = tmp_path / "wire.json"
    arguments = [f"--video={video}", "--parts=bytes,times", "--codecs=h264,webp", "--T=8", "--Ts=2", "--frame_size=64"]
    done = run(*arguments, "--num_clips=2", "--repetitions=2", f"--output={output}")
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["bytes"]["clips"] == ["noise.mp4"] * 2
    rows = {(row["codec"], row["decibels"]): row for row in report["bytes"]["rows"]}
    assert set(rows) == {(codec, decibels) for codec in ("h264", "webp", "jpeg") for decibels in (32, 36)}
    for codec in ("h264", "webp", "jpeg"):
        row = rows[codec, 36]
        assert (row["clips_compared"], rows[codec, 32]["clips_compared"] <= 2) == (2, True)
        assert 0 < row["distilled_bytes"] < row["whole_clip_bytes"]
    assert rows["jpeg", 36]["distilled_to_jpeg"] == 1
    assert rows["h264", 32]["distilled_bytes"] < rows["h264", 36]["distilled_bytes"]
    assert all(report["times"][codec][what] > 0 for codec in ("h264", "jpeg") for what in ("encode_ms", "decode_ms"))


def test_the_gateway_before_the_server(tmp_path):
    output = tmp_path / "wire.json"
    arguments = ["--parts=serving", "--preset=sample", "--clients=4", "--seconds=2", "--repetitions=2"]
    done = run(*arguments, f"--output={output}")
    assert done.returncode == 0, done.stderr
    serving = json.loads(output.read_text())["serving"]
    assert set(serving["latency_ms"]) == {"gateway_jpeg", "server_jpeg", "gateway_h264", "server_raw"}
    for way, (_, alone) in wire_serving.WAYS.items():
        assert serving[way]["overhead"] < 1
        for load_of in (serving[way][way], serving[way][alone]):
            assert (load_of["clients"], load_of["lost"], load_of["wrong"]) == (4, 0, 0), load_of["errors"]
            assert load_of["answers"] >= 4


def test_what_is_not_there_is_one_line(video, tmp_path):
    for arguments, message in (
        (["--parts=bytes"], "error: the parts bytes and times need --video=FILE,..."),
        ([f"--video={video}", "--parts=bytes"], f"error: expected a video of at least 90 frames, got none in {video}"),
        ([f"--video={video}", "--codecs=mp3"], "error: --codecs expects some of h264, hevc, av1, vp9, webp, jpeg; "),
    ):
        done = run(*arguments, "--T=90", f"--output={tmp_path / 'wire.json'}")
        assert (done.returncode, done.stderr.startswith(message)) == (1, True), done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "wire.json").exists()


def test_distilled_frames_are_equation_1():
    clip = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), "uint8")
    matrix = wire_bytes.windows(5, 2, np.random.default_rng(1))
    np.testing.assert_allclose(matrix.sum(axis=0), 1)
    expected = np.rint(np.tensordot(matrix.T, clip.astype(float), 1))
    assert np.abs(wire_bytes.distil(clip, matrix) - expected).max() <= 1
    assert wire_bytes.psnr(clip, clip) == np.inf
    assert wire_bytes.psnr(np.zeros((1, 2)), np.full((1, 2), 255)) == 0


def test_a_load_counts_what_is_lost_and_wrong():
    expected = np.eye(3)
    asked = [0, 0]

    def ask(client):
        def answer(clip):
            asked[client] += 1
            if client and asked[client] == 2:
                raise ConnectionError("gone")
            return expected[(clip + 1) % 3] if client and asked[client] == 3 else expected[clip]

        return answer

    measured = load.Load([ask(0), ask(1)], expected, load.tolerance(expected))
    while min(asked) < 4:
        assert measured.run(0.01) > 0
    summary = measured.summary()
    assert (summary["lost"], summary["errors"], summary["wrong"]) == (1, ["gone"], 1)
    assert summary["answers"] == sum(asked) - 1
