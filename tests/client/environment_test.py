"""The client in a virtual environment that holds what requirements/client.txt names, and nothing else."""

import importlib.metadata
import json
import pathlib
import re
import subprocess
import venv

import pytest

pytestmark = pytest.mark.slow

_ROOT = pathlib.Path(__file__).parents[2]


def _requirements():
    lines = (_ROOT / "requirements/client.txt").read_text().splitlines()
    return sorted({re.match(r"[\w.-]+", line)[0] for line in lines if re.match(r"\w", line)})


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Python of the environment; the packages are links to those of this one, so that the test needs no network."""
    folder = tmp_path_factory.mktemp("client_environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    site_packages = pathlib.Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    for name in _requirements():
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed on another platform or by another Python
        for top in {file.parts[0] for file in distribution.files if file.parts[0] not in ("..", "__pycache__")}:
            link = site_packages / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    return python


def test_tensorflow_is_not_there(environment):
    for name in ("tensorflow", "keras"):
        assert subprocess.run([environment, "-c", f"import {name}"], capture_output=True, check=False).returncode == 1


def test_the_client_runs_in_it(environment, exported, server, sample_videos):
    video = sorted((sample_videos / "test").rglob("*.mp4"))[0]
    command = [
        environment,
        "-m",
        "tsd_tf.client",
        str(video),
        f"--model={exported.folder}/client.tflite",
        f"--server={server.address}",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["label"] in exported.labels
