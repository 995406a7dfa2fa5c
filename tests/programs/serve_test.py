"""The serving program as a user starts and stops it."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("stop", [signal.SIGTERM])
def test_it_says_when_it_is_ready_and_stops_when_told(exported, stop):
    command = [
        sys.executable,
        "-m",
        "tsd_tf.serving",
        f"--model_dir={exported.folder}/cloud",
        "--port=0",
        "--rest_port=0",
        "--precision=float32",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            url = re.search(r"gRPC 127.0.0.1:\d+, REST (http://127.0.0.1:\d+)$", line.strip())[1]
            with urllib.request.urlopen(f"{url}/v1/models/tsd", timeout=30) as response:
                assert b"AVAILABLE" in response.read()
            process.send_signal(stop)
            output, log = process.communicate(timeout=60)
            assert output == ""
            assert re.fullmatch(r"\S+ INFO version 1 of tsd is loaded, in \d+\.\d s: float32 by tensorflow\n", log)
            assert process.returncode == 0
        finally:
            process.kill()


def test_mistakes_are_one_line(tmp_path):
    for flag, text in (("--version_labels=stable", "--version_labels must be label:version"), ("--port=70000", "port")):
        done = subprocess.run(
            [sys.executable, "-m", "tsd_tf.serving", f"--model_dir={tmp_path}", flag],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert text in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
