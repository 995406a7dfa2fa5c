"""The shipped model's program, as a user calls it; here with a tiny network in its place."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from tsd_tf.building import listed_video
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.video import codec

pytestmark = pytest.mark.slow

_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
_COMMAND = [sys.executable, "-m", "tsd_tf.programs.try_model"]


@pytest.fixture(scope="module")
def model(exported, sample_videos, tmp_path_factory):
    """A folder as one that ships."""
    folder = tmp_path_factory.mktemp("model")
    for name in ("client.tflite", "client.json", "labels.txt"):
        shutil.copy(exported.folder / name, folder)
    shutil.copytree(exported.folder / "cloud", folder / "cloud")
    (folder / "videos").mkdir()
    for name in ("test.csv", "test_events.csv"):
        shutil.copy(sample_videos / name, folder / "videos")
    shutil.copytree(sample_videos / "test", folder / "videos/test")
    accuracy = [{"clips": clips, "codec": "h264", "top1": top1} for clips, top1 in ((1, 0.5613), (10, 0.604))]
    (folder / "model.json").write_text(json.dumps({"num_test": 600, "accuracy": accuracy}))
    return folder


def _run(*arguments, folder, code=None):
    command = [*_COMMAND] if code is None else [sys.executable, "-c", code]
    options = {"cwd": folder, "env": _ENVIRONMENT, "capture_output": True, "text": True, "timeout": 300}
    return subprocess.run([*command, *map(str, arguments)], **options)


def test_its_videos_are_recognised_and_shown(model, tmp_path):
    done = _run(f"--model={model}", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    truths = [video.label for video in listed_video.read(model / "videos", "test")]
    lines = done.stdout.splitlines()
    assert lines[0] == "The model knows 6 classes: class 0, class 1, class 2, class 3, class 4, class 5."
    assert re.search(r"answers at 127\.0\.0\.1:\d+ \(gRPC\) and http://127\.0\.0\.1:\d+ \(REST\)", lines[1])
    answered = [
        re.fullmatch(r"(.+): (class \d), \d+% sure, which is wrong; [\d,]+ bytes .*", line) for line in lines[3:9]
    ]
    assert [match[1] for match in answered] == truths
    page = tmp_path / "tsd_try.html"
    assert lines[-3] == f"0 of 6 right. What the client saw, made and sent: {page.as_uri()}"
    assert lines[-1].endswith(f"python -m tsd_tf.programs.try_model --model={model} --page")
    text = page.read_text()
    assert text.count("<article>") == 6
    assert text.count("✗ Wrong:") == 6
    assert "<strong>60.4%</strong> of 600 newly rendered videos are recognised with 10 clips each" in text


def test_videos_of_ones_own(model, tmp_path):
    video = listed_video.read(model / "videos", "test")[0].path
    shutil.copy(video, tmp_path / "mine.mp4")
    done = _run("mine.mp4", f"--model={model}", "--output=pages/mine.html", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    *_, answer, _, last, _, _ = done.stdout.splitlines()
    assert re.fullmatch(r"mine\.mp4: class \d, \d+% sure; [\d,]+ bytes were sent, the video file has [\d,]+", answer)
    assert last.startswith("What the client saw")
    assert "Answer: “class" in (tmp_path / "pages/mine.html").read_text()


def test_it_serves_until_it_is_told_to_stop(exported, model, tmp_path):
    command = [*_COMMAND, f"--model={model}", "--serve", "--port=0", "--rest_port=0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            client = next(line for line in process.stdout if "tsd_tf.client VIDEO" in line).strip()
            address = re.fullmatch(
                rf"python -m tsd_tf.client VIDEO --model={model}/client.tflite --server=(\S+)", client
            )[1]
            connection = GrpcConnection(address)
            answer = connection.classify(*codec.encode(np.asarray(exported.clips[0, ::2]), "h264"))
            connection.close()
            assert answer.classes[0] in exported.labels
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=60) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


def test_it_serves_the_page_until_it_is_told_to_stop(model, tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>")
    code = (
        "import pathlib\nfrom tsd_tf.gateway import page_site\n"
        f"page_site.PageSite.__init__.__kwdefaults__['built'] = pathlib.Path({str(tmp_path)!r})\n"
        "from tsd_tf.programs.try_model import start; start()"
    )
    command = [sys.executable, "-c", code, f"--model={model}", "--page", "--port=0", "--rest_port=0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline().startswith("The client as a web page, on this machine alone")
            address = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}page/settings.json", timeout=30) as answer:
                assert len(json.load(answer)["samples"]) == 6
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


_WITHOUT_PYBULLET = (
    "import sys; sys.modules['pybullet'] = sys.modules['pybullet_data'] = None\n"
    "from tsd_tf.programs.try_model import start; start()"
)


@pytest.mark.parametrize(
    ("arguments", "line", "code"),
    [
        (
            ["--fresh=2"],
            "--fresh needs pybullet_data, which is not installed: pip install 'tsd_tf[sample]'",
            _WITHOUT_PYBULLET,
        ),
        (
            ["--fresh=2"],
            "--fresh renders kick, cartwheel, crawl, backflip, roll, spin kick; the model knows class 0,",
            None,
        ),
        (["--fresh=2", "a.mp4"], "expected videos or --fresh, received --fresh=2 and a.mp4", None),
        (["--seed=1"], "--seed is for use with --fresh", None),
        (["--page", "a.mp4"], "--page takes no videos: they are chosen in the page", None),
        (["missing.mp4"], "missing.mp4: ", None),
        (["--model=nowhere"], "no client half: looked for nowhere/client.tflite", None),
    ],
)
def test_mistakes_are_one_line(model, tmp_path, arguments, line, code):
    done = _run(f"--model={model}", *arguments, folder=tmp_path, code=code)
    assert done.returncode == 1
    (found,) = done.stderr.splitlines()
    assert found.startswith(f"error: {line}")
    assert not (tmp_path / "tsd_try.html").exists()
