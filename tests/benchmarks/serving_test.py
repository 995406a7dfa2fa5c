import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--batches=1,x", "error: --batches expects clips a request, as in 1,4. Received: --batches=1,x"),
        ("--ways=tf", "error: --ways expects engine:precision,... as in openvino:int8. Received: --ways=tf"),
    ],
)
def test_flags_that_are_none(flag, expected):
    command = [sys.executable, "-m", "benchmarks.serving", flag]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr.splitlines()[-1]) == (1, expected)
