import types

import numpy as np
import pytest
import tensorflow as tf

from study import data, distillation


def test_p_on_the_event_in_order():
    # Two clips of six frames to two columns; the event fills frames 2 and 3 of the first, the second shows none.
    matrices = np.zeros((2, 6, 2))
    matrices[0, 2, 0] = matrices[0, 3, 0] = 0.5
    matrices[0, 5, 1] = 1.0
    matrices[1, 0] = 1.0
    mask = np.zeros((2, 6), bool)
    mask[0, 2:4] = True
    found = distillation.describe_matrices(matrices, mask)
    assert found == {
        "clips": 1,
        "mass_in_event": 0.5,
        "uniform_share": pytest.approx(1 / 3),
        "effective_frames": pytest.approx(1.5),
        "maximum": 0.75,
        "increasing": 1.0,
        "redundancy": 0.0,
    }
    backwards = distillation.describe_matrices(matrices[:, :, ::-1], mask)
    assert backwards["increasing"] == 0.0


class _FirstFrames:
    """Distils a clip into its first frames, and takes their mean level, in hundreds, for the class."""

    def __init__(self, num_distilled_frames):
        self.selector = types.SimpleNamespace(num_distilled_frames=num_distilled_frames)

    def client(self, frames, training):
        return frames[:, : self.selector.num_distilled_frames]

    def cloud(self, frames, training):
        level = (tf.reduce_mean(frames, axis=(1, 2, 3, 4)) + 1) * 127.5
        return tf.one_hot(tf.cast(tf.round(level / 100), tf.int32), 3)


def test_events_that_are_whole():
    """Black clips with grey events: the first's starts at once, the second's later, the third's is cut."""
    clips, mask = np.zeros((3, 8, 4, 4, 3), "uint8"), np.zeros((3, 8), bool)
    mask[0, :5] = mask[1, 3:8] = mask[2, 6:8] = True
    labels = np.asarray([1, 2, 1])
    for clip, label, frames in zip(clips, labels, mask, strict=True):
        clip[frames] = 100 * label
    found = distillation.recognise_events(_FirstFrames(5), clips, labels, mask)
    assert found == {"clips": 2, "top1": 0.5, "top1_of_event": 1.0}
    assert distillation.recognise_events(_FirstFrames(6), clips, labels, mask)["top1_of_event"] is None
    nothing = {"clips": 0, "top1": None, "top1_of_event": None}
    assert distillation.recognise_events(_FirstFrames(5), clips[2:], labels[2:], mask[2:]) == nothing


def test_event_mask():
    mask = data.event_mask(np.asarray([10, 0]), np.asarray([8, 20]), 6)
    assert mask.tolist() == [[False, False, True, True, True, True], [False] * 6]


def test_windows_are_a_function_of_the_seed():
    starts = data.windows(500, 20, 7)
    assert starts.min() == 0
    assert starts.max() == data.NUM_FRAMES - 20
    np.testing.assert_array_equal(starts, data.windows(500, 20, 7))
