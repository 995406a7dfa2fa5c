"""What TensorBoard shows, written without TensorBoard, which is not everywhere that TensorFlow is."""

import pathlib
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from tsd_tf.contract import files
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState

_NUM_BINS = 30


class Summaries(Observer):
    """An events file for TensorBoard, with the numbers of every reported line.

    Args:
        folder: where to write it; made if it is missing.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        files.require_writable(folder)  # TensorFlow's own error has many lines.
        self.writer = tf.summary.create_file_writer(str(folder))

    def reported(self, state: RunState, line: dict[str, Any]) -> None:
        if "warning" in line:
            return
        group, values = "training", line
        if "validation" in line:
            group, values = "validation", {name: line["validation"][name] for name in ("top1", "top5")}
        self.scalars({f"{group}/{name}": value for name, value in values.items()}, state.total_steps)
        self.flush()

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Writes {tag: number}."""
        for tag, value in values.items():
            self._write(tag, tf.constant(value, tf.float32), step, "scalars", "DATA_CLASS_SCALAR")

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """Writes how the numbers of an array are distributed, in 30 bins."""
        counts, edges = np.histogram(np.asarray(values, np.float64), _NUM_BINS)
        bins = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._write(tag, tf.constant(bins), step, "histograms", "DATA_CLASS_TENSOR")

    def image(self, tag: str, picture: np.ndarray, step: int) -> None:
        """Writes a picture, uint8 RGB (height, width, 3)."""
        height, width = picture.shape[:2]
        png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        self._write(tag, tf.constant([str(width), str(height), png]), step, "images", "DATA_CLASS_BLOB_SEQUENCE")

    def flush(self) -> None:
        """Writes to disk what is buffered."""
        self.writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self.writer.close()

    def _write(self, tag: str, tensor: tf.Tensor, step: int, plugin: str, data_class: str) -> None:
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin), data_class=data_class
        )
        with self.writer.as_default():
            tf.summary.write(tag, tensor, step=step, metadata=metadata)
