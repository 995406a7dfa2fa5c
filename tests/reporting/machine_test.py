import os
import pathlib
import platform

import numpy as np

from tsd_tf.reporting import machine


def test_the_machine_is_described():
    found = machine.describe()
    assert found["python"] == platform.python_version()
    assert 1 <= found["cpus"] <= os.cpu_count()
    assert found["model"]


def test_the_processor_is_the_one_of_the_system(monkeypatch):
    monkeypatch.setattr(
        pathlib.Path, "read_text", lambda self: "processor\t: 0\nmodel name\t: Fast: 9000\nflags\t: x\n"
    )
    assert machine.processor() == "Fast: 9000"


def test_a_system_without_cpuinfo_has_a_processor_too(monkeypatch):
    def read_text(self):
        raise FileNotFoundError(self)

    monkeypatch.setattr(pathlib.Path, "read_text", read_text)
    assert machine.processor() == (platform.processor() or platform.machine())


def test_versions_are_those_installed():
    assert machine.versions("numpy", "no-such-package") == {"numpy": np.__version__, "no-such-package": None}
