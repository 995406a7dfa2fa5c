import subprocess
import sys

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
