"""What TensorBoard shows, written without TensorBoard, which is not everywhere that TensorFlow is."""

import tempfile

import cv2
import numpy as np
import tensorflow as tf

_NUM_BINS = 30


class Summaries:
    """An events file for `tensorboard --logdir`.

    Args:
        folder: a pathlib.Path, of the file; made where it is missing.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # TensorFlow's own error is of many lines.
        self.writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, values, step):
        """Writes {tag: number}."""
        for tag, value in values.items():
            self._write(tag, tf.constant(value, tf.float32), step, "scalars", "DATA_CLASS_SCALAR")

    def histogram(self, tag, values, step):
        """Writes how the numbers of an array are distributed, in 30 bins."""
        counts, edges = np.histogram(np.asarray(values, np.float64), _NUM_BINS)
        bins = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._write(tag, tf.constant(bins), step, "histograms", "DATA_CLASS_TENSOR")

    def image(self, tag, picture, step):
        """Writes a picture, uint8 RGB (height, width, 3)."""
        height, width = picture.shape[:2]
        png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        self._write(tag, tf.constant([str(width), str(height), png]), step, "images", "DATA_CLASS_BLOB_SEQUENCE")

    def flush(self):
        """Puts on disk what was written."""
        self.writer.flush()

    def close(self):
        """Ends the file."""
        self.writer.close()

    def _write(self, tag, tensor, step, plugin, data_class):
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin),
            data_class=tf.compat.v1.SummaryMetadata.DESCRIPTOR.file.enum_types_by_name["DataClass"]
            .values_by_name[data_class]
            .number,
        )
        with self.writer.as_default():
            tf.summary.write(tag, tensor, step=step, metadata=metadata)
