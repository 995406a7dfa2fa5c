import cv2
import numpy as np
import tensorflow as tf

from tsd_tf.training.summaries import Summaries


def read(folder):
    """{(tag, step): (plugin, tensor)} of all events files in a folder."""
    return {
        (value.tag, event.step): (value.metadata.plugin_data.plugin_name, tf.make_ndarray(value.tensor))
        for path in sorted(folder.iterdir())
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_what_is_written_can_be_read_as_tensorboard_does(tmp_path):
    summaries = Summaries(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype("uint8")
    summaries.scalars({"training/loss": 0.5, "training/rate": 0.25}, 3)
    summaries.histogram("P", np.array([0.0, 0.0, 0.1, 1.0]), 4)
    summaries.image("frames", picture, 4)
    summaries.close()
    found = read(tmp_path)
    assert set(found) == {("training/loss", 3), ("training/rate", 3), ("P", 4), ("frames", 4)}
    assert found["training/loss", 3] == ("scalars", 0.5)
    plugin, bins = found["P", 4]
    assert plugin == "histograms"
    assert bins.shape == (30, 3)
    assert (bins[0, 0], bins[-1, 1], bins[:, 2].sum(), bins[0, 2]) == (0.0, 1.0, 4, 2)
    plugin, (width, height, png) = found["frames", 4]
    assert (plugin, width, height) == ("images", b"7", b"5")
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(decoded, picture)
