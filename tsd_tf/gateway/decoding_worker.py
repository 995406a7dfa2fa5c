"""The process in which a DecodingPool decodes."""

import cv2
import numpy as np

from tsd_tf.serving import worker
from tsd_tf.video import codec


def main() -> None:
    """What the process does."""
    cv2.setNumThreads(1)  # there is one process per core
    worker.work(_decoded)


def _decoded(request: tuple[dict[str, np.ndarray], tuple[int, ...]]) -> memoryview:
    return codec.decode_inputs(*request).data.cast("B")
