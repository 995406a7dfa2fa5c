import types

import numpy as np
import tensorflow as tf

from study import testing
from tsd_tf.evaluation.event_clips import EventClips


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
    """Black clips with grey events: the first starts at once, the second later and is longer, the third is cut."""
    clips, shown = np.zeros((3, 8, 4, 4, 3), "uint8"), np.zeros((3, 8), bool)
    shown[0, :5] = shown[1, 1:8] = shown[2, 6:8] = True
    labels = np.asarray([1, 2, 1])
    for clip, label, frames in zip(clips, labels, shown, strict=True):
        clip[frames] = 100 * label
    events = EventClips(clips, labels, shown, np.asarray([1.0, 1.0, 0.4]))
    # From frames 0 to 4, the second's mean level is 160, and from 0 to 2 it is 133.
    assert testing.recognise_events(_FirstFrames(5), events) == {"clips": 2, "top1": 1.0, "top1_of_event": 1.0}
    assert testing.recognise_events(_FirstFrames(3), events) == {"clips": 2, "top1": 0.5, "top1_of_event": 1.0}
    cut = EventClips(clips[2:], labels[2:], shown[2:], np.asarray([0.4]))
    assert testing.recognise_events(_FirstFrames(5), cut) == {"clips": 0, "top1": None, "top1_of_event": None}


def test_frames_of_an_event_at_equal_intervals_from_its_first_to_its_last():
    assert testing.spread(12, 5).tolist() == [0, 3, 6, 8, 11]
    assert testing.spread(3, 5).tolist() == [0, 0, 1, 2, 2]
    assert testing.spread(5, 5).tolist() == [0, 1, 2, 3, 4]
