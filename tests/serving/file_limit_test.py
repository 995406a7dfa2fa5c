"""Few file descriptors: fewer connections, and neither an end nor a log full of it."""

import contextlib
import json
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.request

import grpc
import numpy as np
import pytest

from benchmarks import strangers
from tsd_tf.contract import messages
from tsd_tf.serving import file_limit

_CODE = """
import resource, sys
from tsd_tf.serving import file_limit
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(file_limit.room_for_connections(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room"),
    [
        (1000, 1000, 500, "500 1000 1000"),
        (300, 1000, 500, "500 628 1000"),
        (300, 400, 500, "272 400 400"),
        (100, 100, 500, "1 100 100"),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may_be(soft, hard, wanted, room):
    command = [sys.executable, "-c", _CODE, str(soft), str(hard), str(wanted)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == room


def test_enough_needs_nothing():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert file_limit.room_for_connections(1) == 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@pytest.mark.slow
def test_more_idle_connections_than_descriptors(small_model):
    """Both ports go on answering, and stderr says it in one line."""
    command = [sys.executable, "-m", "tsd_tf.serving", f"--model_dir={small_model}", "--port=0", "--rest_port=0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)),
    )
    try:
        address, url = re.search(r"gRPC (\S+), REST (\S+)$", process.stdout.readline().strip()).groups()
        clips = np.zeros((1, 4, 16, 16, 3), "uint8")
        request = messages.predict_request("tsd", "serving_default", {"frames": clips}).SerializeToString()
        with contextlib.ExitStack() as stack:
            for index in range(600):
                with contextlib.suppress(OSError):
                    to, source = ((address, url)[index % 2], f"127.0.0.{2 + index // 50}")
                    stack.enter_context(strangers.connect(to, source))
                if index % 100 == 99:
                    time.sleep(0.3)
                    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                        assert channel.unary_unary(messages.PREDICT)(request, timeout=30, wait_for_ready=True)
                    body = json.dumps({"inputs": clips.tolist()}).encode()
                    with urllib.request.urlopen(f"{url}/v1/models/tsd:predict", body, timeout=30) as answer:
                        assert answer.status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    ours = [line for line in errors.splitlines() if "tensorflow" not in line and "cuda" not in line.lower()]
    assert len([line for line in ours if "at most 57 connections of each protocol instead of 1000" in line]) == 1
    assert len(ours) < 10, errors
