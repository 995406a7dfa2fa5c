"""Programs of this project that answer gRPC, in processes of their own."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

from tsd_tf.contract.errors import UserError


class ServerProcess:
    """A program until it is stopped.

    Args:
        command: the module and its flags.

    Attributes:
        address: "host:port", at which it answers gRPC.
    """

    def __init__(self, *command):
        self._process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        found = re.search(r"gRPC (\S+?),", line)
        if not found:
            self.stop()
            raise UserError(f"{command[0]} ended before it was ready: {line}")
        self.address = found[1]

    def cpu_seconds(self):
        """What its threads have computed so far."""
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it, once it has answered what it was asked."""
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def running(*command):
    """A ServerProcess until the end of the context."""
    process = ServerProcess(*command)
    try:
        yield process
    finally:
        process.stop()
