import platform
import subprocess
import sys

import pytest

_PROGRAM = """
from tsd_tf.video.limits import limit_memory
before = bytes(512 << 20)  # does not count
limit_memory(64 << 20)
bytes(32 << 20)
try:
    bytes(128 << 20)
except MemoryError:
    print("not enough")
"""


def test_what_comes_after_is_limited():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("not enough\n", "")


_KEEPING = """
import resource
from tsd_tf.video.limits import keep_freed_memory
if {keep}:
    keep_freed_memory()
for _ in range(8):  # the C library learns a little by itself
    bytearray(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(64):
    first, second = bytearray(b"1" * (8 << 20)), bytearray(b"2" * (8 << 20))
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_freed_memory_is_kept():
    def faults(keep):
        script = _KEEPING.format(keep=keep)
        return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)

    assert faults(True) < faults(False) / 2
