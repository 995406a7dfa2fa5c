"""What every benchmark writes beside its figures, and how."""

import importlib.metadata
import json
import os
import pathlib
import platform

from tsd_tf.contract import files


def machine():
    """The machine, as far as a program can tell: {"cpus", "model", "platform", "python"}."""
    model = ""
    if os.path.exists("/proc/cpuinfo"):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "model": model,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def versions(*packages):
    """{package: installed version, or None}."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def write(path, report):
    """Prints the report and writes it as JSON."""
    files.write_json(path, report)
    print(json.dumps(report, indent=2))
