"""How many bytes a clip's distilled frames take on their way from client to cloud."""

import collections
import concurrent.futures
import contextlib
import os
from collections.abc import Iterable

import numpy as np

from tsd_tf.video import codec


class TransmissionMeter(contextlib.AbstractContextManager["TransmissionMeter"]):
    """Means over clips of the bytes that travel: raw, and as JPEG pictures of some qualities.

    Encodes in threads, at most one batch behind the caller. A context manager, which ends its threads.

    Args:
        qualities: JPEG qualities, 1 to 100; with none, only raw bytes are counted.
    """

    def __init__(self, qualities: Iterable[int]) -> None:
        self._qualities = tuple(qualities)
        self._pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1, "encode")
        self._pending: list[concurrent.futures.Future[dict[str, int]]] = []
        self._bytes: collections.Counter[str] = collections.Counter()
        self._clips = 0

    def add(self, clips: Iterable[np.ndarray]) -> None:
        """Counts clips of distilled frames, uint8 RGB (n, T_s, H, W, 3)."""
        self._drain()
        self._pending = [self._pool.submit(self._sizes, clip) for clip in clips]

    def means(self) -> dict[str, float]:
        """Mean bytes of a clip: {"raw": ..., "jpeg_90": ...}, empty where no clip was added."""
        self._drain()
        return {name: total / self._clips for name, total in self._bytes.items()}

    def _sizes(self, clip: np.ndarray) -> dict[str, int]:
        sizes = {f"jpeg_{quality}": codec.encode(clip, "jpeg", quality).num_bytes for quality in self._qualities}
        return {"raw": codec.encode(clip, "raw").num_bytes, **sizes}

    def _drain(self) -> None:
        for future in self._pending:
            self._bytes.update(future.result())
        self._clips += len(self._pending)
        self._pending = []

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)
