import os
import subprocess
import sys
import threading

import pytest

from tsd_tf.video import priority

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux")


def _policies():
    """Of all threads of this process."""
    return {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}


def _take_real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _capabilities():
    with open("/proc/thread-self/status") as file:
        return [line for line in file if line.startswith("Cap")]


def test_neither_this_thread_nor_its_children_take_real_time():
    before, errors, go_on = _capabilities(), [], threading.Event()

    def child():
        go_on.wait(10)
        try:
            _take_real_time()
        except PermissionError as error:
            errors.append(error)

    with priority.without_real_time():
        thread = threading.Thread(target=child)
        thread.start()
        with pytest.raises(PermissionError):
            _take_real_time()
    go_on.set()  # the child still may not when the block has ended
    thread.join()
    assert len(errors) == 1
    assert _capabilities() == before
    assert os.SCHED_FIFO not in _policies()


def test_an_error_in_the_block_gives_back_what_was_laid_down():
    before = _capabilities()
    with pytest.raises(KeyError), priority.without_real_time():
        raise KeyError
    assert _capabilities() == before


# In a process of its own, so that a failure cannot take the tests' own threads with it.
_ENCODES = """
import os
import threading

import numpy as np

from tsd_tf.video import clip_coding

policies = set()
done = threading.Event()


def look():
    while not done.is_set():
        for thread in os.listdir("/proc/self/task"):
            try:
                policies.add((os.sched_getscheduler(int(thread)), os.sched_getparam(int(thread)).sched_priority))
            except ProcessLookupError:
                pass


watcher = threading.Thread(target=look)
watcher.start()
frames = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
for _ in range(3):
    packets = clip_coding.encode(frames, "av1")
done.set()
watcher.join()
print(len(packets), sorted(policies))
"""


def test_encoding_av1_takes_no_real_time():
    done = subprocess.run([sys.executable, "-c", _ENCODES], capture_output=True, text=True, check=True, timeout=60)
    # SCHED_OTHER of every thread at every moment; and SVT-AV1 says nothing of itself.
    assert (done.stdout, done.stderr) == ("6 [(0, 0)]\n", "")
