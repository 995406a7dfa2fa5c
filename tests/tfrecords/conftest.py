"""Videos that the tests write themselves, and programs run as a user runs them."""

import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def write_video(tmp_path):
    """Writes a video, JPEGs in a container, of flat pictures that get lighter; returns its path."""

    def write(name, num_frames=30, frame_rate=25.0, size=(32, 48), still=False):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), frame_rate, (size[1], size[0]))
        for i in range(num_frames):
            writer.write(np.full((*size, 3), 0 if still else 4 * i % 256, np.uint8))
        writer.release()
        return path

    return write


@pytest.fixture
def run_program():
    """Runs `python -m <module> <arguments>` at the repository's root; returns its subprocess.CompletedProcess."""

    def run(module, *arguments):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    return run
