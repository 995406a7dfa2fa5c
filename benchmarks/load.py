"""Many clients at a time, who check every answer."""

import concurrent.futures
import statistics
import threading
import time

import numpy as np


class Load:
    """What clients have asked, through one way to a server.

    Args:
        ask: a function for each client: number of a clip -> array, what the server answers to it.
        expected: an array for each clip, the right answers.
        tolerance: largest difference of a right answer.

    Attributes:
        milliseconds: of every answer.
        lost: what was said of requests without an answer.
        wrong: how many answers were.
        rates: right answers a second, of each round.
    """

    def __init__(self, ask, expected, tolerance):
        self.ask, self._expected, self._tolerance = ask, expected, tolerance
        self._lock = threading.Lock()
        self.milliseconds, self.lost, self.wrong, self.rates = [], [], 0, []

    def run(self, seconds):
        """One round: every client asks again and again; returns the right answers a second."""
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(len(self.ask)) as threads:
            right = sum(threads.map(lambda client: self._client(client, began + seconds), range(len(self.ask))))
        self.rates.append(right / (time.perf_counter() - began))
        return self.rates[-1]

    def summary(self):
        """A dict that JSON can hold."""
        times = sorted(self.milliseconds)
        return {
            "clients": len(self.ask),
            "answers": len(times),
            "lost": len(self.lost),
            "errors": self.lost[:3],
            "wrong": self.wrong,
            "median_ms": statistics.median(times),
            "p99_ms": times[int(0.99 * len(times))],
            "clips_per_second": statistics.median(self.rates),
        }

    def _client(self, client, end):
        right = count = 0
        while (start := time.perf_counter()) < end:
            clip = (client + count) % len(self._expected)
            count += 1
            try:
                # Written so that NaN counts as wrong.
                is_right = bool(np.abs(self.ask[client](clip) - self._expected[clip]).max() <= self._tolerance)
            except Exception as error:
                with self._lock:
                    self.lost.append(str(error))
                continue
            right += is_right
            with self._lock:
                self.milliseconds.append(1e3 * (time.perf_counter() - start))
                self.wrong += not is_right
        return right


def tolerance(expected):
    """Half of the distance between the two clips whose answers are nearest to each other."""
    distances = np.abs(expected[:, None] - expected[None]).max(axis=2)
    return distances[~np.eye(len(expected), dtype=bool)].min() / 2
