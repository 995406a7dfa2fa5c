"""The program as it is called, at its smallest; PyTorch's side where TSD_TEST_TORCH names a Python that has it."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="its steps are those of TensorFlow and JAX")
def test_every_step_is_measured(tmp_path):
    torch_python = os.environ.get("TSD_TEST_TORCH")
    output = tmp_path / "steps.json"
    command = [sys.executable, "-m", "benchmarks.training_step", "--T=2", "--Ts=2", "--crop_size=64", "--batch_size=2"]
    command += ["--repetitions=1", "--warm_up=0", "--precision=float32", "--input_gradient=both", f"--output={output}"]
    command += [f"--torch_python={torch_python}"] if torch_python else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    stages = [f"tsd stage {stage}, {way}" for stage in (1, 2) for way in ("plain", "blocks")]
    names = ["i3d, 2 frames", *stages]
    assert [row["step"] for row in report["steps"]] == names + ["torch i3d, 2 frames"] * bool(torch_python)
    assert all(0 < row["fastest_ms"] <= row["median_ms"] <= row["slowest_ms"] for row in report["steps"])
    assert {"keras", "numpy", keras.backend.backend()} == set(report["versions"])
    assert (report["T"], report["batch_size"], report["precision"], report["input"]) == (2, 2, "float32", None)
    assert report["machine"]["device"]
