"""Videos that the tests write themselves, and programs run as a user runs them."""

import csv
import hashlib
import pathlib
import subprocess
import sys
import wave

import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def write_video(tmp_path):
    """Writes a video, JPEGs in a container, of flat pictures, each lighter up to a last change; returns its path."""

    def write(name, num_frames=30, frame_rate=25.0, size=(32, 48), last_change=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), frame_rate, (size[1], size[0]))
        for i in range(num_frames):
            writer.write(np.full((*size, 3), 4 * (i if last_change is None else min(i, last_change)) % 256, np.uint8))
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


@pytest.fixture
def contents():
    """A function: {name: SHA-256} of all files below a folder."""

    def contents(folder):
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return contents


@pytest.fixture
def kinetics(tmp_path, write_video):
    """A small Kinetics with everything that real copies suffer from; returns the program's arguments."""
    write_video("videos/air drumming/--a_000003_000004.mp4", 25)
    write_video('videos/abseiling/it\'s a "b"_000010_000011.mp4', 25)
    write_video("videos/c.avi", 150, frame_rate=50.0)
    write_video("videos/still.mp4", 25, last_change=0)
    write_video("videos/stuck.mp4", 25, last_change=10)
    (tmp_path / "videos/broken.mp4").write_bytes(b"<html>410 Gone</html>")
    with wave.open(str(tmp_path / "videos/sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", None))
        sound.writeframes(bytes(16000))
    (tmp_path / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split,is_cc\r\n"
        + '"air drumming",--a,3,4,train,0\r\n'
        + 'abseiling,"it\'s a ""b""",10,11,train,0\r\n'
        + "abseiling,c,0.5,1.5,train,0\r\n"
        + "air_drumming,c,2,4,train,0\r\n"
        + "abseiling,c,5,6,train,0\r\n"
        + "abseiling,broken,0,1,train,0\r\n"
        + "abseiling,gone,0,1,train,0\r\n"
        + "abseiling,still,0,1,train,0\r\n"
        + "abseiling,stuck,0,1,train,0\r\n"
        + "abseiling,sound,0,1,train,0\r\n",
        newline="",
    )
    return [f"--csv={tmp_path}/train.csv", f"--videos_dir={tmp_path}/videos", "--split=train", "--short_side=24"]


@pytest.fixture
def write_frame_folder(tmp_path):
    """Writes a folder of numbered pictures, the i-th all grey of level 4 i; returns its path."""

    def write(name, num_pictures=30, pattern="{:05d}.jpg", first=1, size=(32, 48)):
        path = tmp_path / name
        path.mkdir(parents=True)
        for i in range(num_pictures):
            cv2.imwrite(str(path / pattern.format(first + i)), np.full((*size, 3), 4 * i % 256, np.uint8))
        return path

    return write


@pytest.fixture
def manifest():
    """A function: the rows of a folder's train manifest by media id."""

    def manifest(folder):
        with open(folder / "manifest-train.csv", newline="") as file:
            return {row["media_id"]: row for row in csv.DictReader(file)}

    return manifest
