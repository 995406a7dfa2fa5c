"""The machine and the packages that a number was measured with."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The names of the GPUs that TensorFlow sees."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(device).get("device_name", device.name) for device in devices]


def describe() -> dict[str, str | int]:
    """The machine, as far as a program can tell: {"cpus", "model", "platform", "python"}."""
    return {
        "cpus": num_cores(),
        "model": processor(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def in_words() -> str:
    """The machine that TensorFlow computes on: its GPUs, cores, and TensorFlow's version."""
    cores = f"{num_cores()} cores of {processor()}"
    return ", ".join([*gpus(), cores, f"TensorFlow {versions('tensorflow')['tensorflow']}"])


def versions(*packages: str) -> dict[str, str | None]:
    """{package: installed version, or None}."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
