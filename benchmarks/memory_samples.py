"""The memory of processes over time, where the system tells it."""

import collections
import pathlib
import threading
import time

import numpy as np

_WARM_UP = 0.25  # of the samples: libraries are loaded, and buffers grow to their size


class MemorySamples:
    """Looks at the resident memory of processes every so often, in a thread: `with MemorySamples(1.0) as samples:`.

    Args:
        seconds: between two looks.

    Attributes:
        watched: {process: name}; may be changed at any time.
    """

    def __init__(self, seconds):
        self._seconds = seconds
        self._is_over = threading.Event()
        self._samples = collections.defaultdict(list)
        self.watched = {}

    def __enter__(self):
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._is_over.set()
        self._thread.join()

    def summary(self):
        """A list of dicts: name and seconds of each process, its megabytes, and how they grow after the warm-up."""
        return [
            {"name": name, **_growth(np.array(samples))}
            for (name, _), samples in self._samples.items()
            if len(samples) > 4
        ]

    def _look(self):
        while not self._is_over.wait(self._seconds):
            for process, name in list(self.watched.items()):
                for each, of in [(process, name), *((child, f"{name}'s child") for child in _children(process))]:
                    resident = _resident_megabytes(each)
                    if resident is not None:
                        self._samples[of, each].append((time.monotonic(), resident))


def _growth(samples):
    times, megabytes = samples.T
    after = slice(int(_WARM_UP * len(samples)), None)
    slope = np.polyfit(times[after] - times[0], megabytes[after], 1)[0]
    quarter = max(1, len(samples) // 4)
    before, at_end = np.median(megabytes[quarter : 2 * quarter]), np.median(megabytes[-quarter:])
    return {
        "seconds": round(times[-1] - times[0], 1),
        "second_quarter_mb": round(before, 1),
        "last_quarter_mb": round(at_end, 1),
        "peak_mb": round(megabytes.max(), 1),
        "growth": round(at_end / before - 1, 4),
        "mb_per_hour": round(3600 * slope, 2),
    }


def _resident_megabytes(process):
    try:
        status = pathlib.Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    _, found, rest = status.partition("VmRSS:")
    return int(rest.split()[0]) / 1024 if found else None


def _children(process):
    try:
        tasks = list(pathlib.Path(f"/proc/{process}/task").iterdir())
        return sorted({int(child) for task in tasks for child in (task / "children").read_text().split()})
    except OSError:
        return []
