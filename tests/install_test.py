"""The wheel in clean virtual environments: what a device installs, and what a cloud does.

`make test-install` runs it; it needs a package index and some minutes. The versions are those of requirements/lock.txt.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import venv

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.install


class Environment:
    """A virtual environment with the wheel and some of its extras, and nothing of this one."""

    def __init__(self, folder, wheel, extras=""):
        self.folder = folder
        venv.create(folder / "env", with_pip=True)
        pip = [folder / "env/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        done = subprocess.run([*pip, "-c", ROOT / "requirements/lock.txt", f"{wheel}{extras}"], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()

    def start(self, command, *arguments, **options):
        """A running console command, started in the environment's folder."""
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TSD_TEST_DATA")}
        program = [self.folder / "env/bin" / command, *map(str, arguments)]
        return subprocess.Popen(program, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, **options)

    def run(self, command, *arguments, code=0):
        """(stdout, stderr) of a console command that ends with this exit code."""
        process = self.start(command, *arguments, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=600)
        assert process.returncode == code, f"{command}: {output}\n{errors}"
        return output, errors

    def has(self, module):
        """Whether a module can be found there."""
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        return subprocess.run([self.folder / "env/bin/python", "-c", code], cwd=self.folder).returncode == 0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps", "-w", folder]
    subprocess.run([*pip, "--no-build-isolation", ROOT], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def device(tmp_path_factory, wheel):
    return Environment(tmp_path_factory.mktemp("device"), wheel)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory, wheel):
    return Environment(tmp_path_factory.mktemp("cloud"), wheel, "[all]")


@pytest.fixture(scope="module")
def front(tmp_path_factory, wheel):
    return Environment(tmp_path_factory.mktemp("front"), wheel, "[gateway]")


@pytest.fixture(scope="module")
def builder(tmp_path_factory, wheel):
    return Environment(tmp_path_factory.mktemp("builder"), wheel, "[build]")


@pytest.fixture(scope="module")
def shards(builder):
    """The folder of shards of a small sample, made without TensorFlow, and a video of it."""
    counts = ["--num_train=12", "--num_test=6", "--processes=2"]
    builder.run("tsd-build-sample", "--task=axis", "--output_dir=videos", *counts)
    for split in ("train", "trimmed", "test"):
        lists = [f"--csv=videos/{split}.csv", f"--videos_dir=videos/{split}", "--labels=videos/labels.txt"]
        builder.run("tsd-build-kinetics", *lists, f"--split={split}", "--output_dir=shards", "--short_side=64")
    builder.run("tsd-verify", "shards")
    assert not builder.has("tensorflow")
    return builder.folder / "shards", next(builder.folder.glob("videos/test/*/*.mp4"))


def test_the_base_has_the_client_alone(device):
    for module in ("tensorflow", "keras", "aiohttp", "google_crc32c", "h5py", "matplotlib", "sklearn"):
        assert not device.has(module), module
    assert "--server" in device.run("tsd-client", "--help")[0]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("tsd-train-kinetics", "train"),
        ("tsd-evaluate", "train"),
        ("tsd-report", "train"),
        ("tsd-export", "train"),
        ("tsd-efficiency", "train"),
        ("tsd-serve", "serve"),
        ("tsd-gateway", "gateway"),
        ("tsd-verify", "build"),
        ("tsd-build-sample", "sample"),
    ],
)
def test_a_command_whose_extra_is_missing_names_it(device, command, extra):
    arguments = {"tsd-report": ["."], "tsd-verify": ["."], "tsd-gateway": ["--backends=127.0.0.1:8500"]}
    if command == "tsd-verify":
        (device.folder / "train-00000-of-00001").write_bytes(b"")
        (device.folder / "labels.txt").write_text("a\n")
    output, errors = device.run(command, *arguments.get(command, []), code=1)
    assert re.fullmatch(
        rf"error: this program needs \w+, which is not installed: pip install 'tsd_tf\[{extra}\]'\n", errors
    ), (output, errors)


@contextlib.contextmanager
def _started(environment, command, *arguments):
    """A server until the end of the block: the address at which it answers gRPC."""
    process = environment.start(command, *arguments, "--port=0", "--rest_port=0")
    try:
        yield re.search(r"gRPC (\S+),", process.stdout.readline())[1]
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def test_the_model_that_ships_is_in_the_wheel(cloud):
    output, _ = cloud.run("tsd-try")
    assert "4 of 4 right" in output
    assert (cloud.folder / "tsd_try.html").is_file()


def test_all_trains_evaluates_exports_and_serves_and_the_base_asks_through_the_gateway(cloud, front, device, shards):
    folder, video = shards
    tiny = ["--preset=sample", f"--data_dir={folder}", "--max_steps=1"]
    cloud.run("tsd-train-kinetics", *tiny)
    output, _ = cloud.run("tsd-evaluate", "--clips=1")
    assert "Q=1: top-1" in output
    cloud.run("tsd-report", "runs")
    cloud.run("tsd-export", "--workdir=runs/sample/tsd_T20_Ts5", "--check_clips=1")
    assert not front.has("tensorflow")
    token, _ = front.run("tsd-gateway-token", "--name=device", "--tokens=tokens.txt")
    (device.folder / "token").write_text(token)
    with (
        _started(cloud, "tsd-serve", "--model_dir=export/cloud") as server,
        _started(front, "tsd-gateway", f"--backends={server}", "--tokens=tokens.txt", "--admin_port=0") as address,
    ):
        model = cloud.folder / "export/client.tflite"
        flags = [f"--model={model}", f"--server={address}", "--token_file=token", "--json"]
        output, errors = device.run("tsd-client", video, *flags)
    line, summary = output.splitlines()
    answer = json.loads(line)
    assert json.loads(summary)["summary"]["answered"] == answer["clips"]
    assert answer["label"] in (folder / "labels.txt").read_text().splitlines()
    assert answer["codec"] == "h264"
    assert "travel as" not in errors  # nothing was amiss with codec and gateway
