import collections

import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.selectors import Segments


def picked(selector, batch, **arguments):
    """The frame indices that P picks, (batch, T_s)."""
    frames = np.zeros((batch, selector.num_frames, 4, 4, 3), "float32")
    matrix = ops.convert_to_numpy(selector(frames, **arguments))
    assert matrix.shape == (batch, selector.num_frames, selector.num_distilled_frames)
    np.testing.assert_array_equal(np.sort(matrix, axis=1)[:, -1], 1.0)
    np.testing.assert_array_equal(matrix.sum(axis=1), 1.0)
    return matrix.argmax(axis=1)


@pytest.mark.parametrize(
    ("num_frames", "num_distilled_frames", "expected"),
    [(9, 3, [1, 4, 7]), (250, 25, list(range(5, 250, 10))), (7, 3, [1, 3, 5]), (5, 5, [0, 1, 2, 3, 4]), (9, 1, [4])],
)
def test_the_middle_of_each_segment(num_frames, num_distilled_frames, expected):
    selector = Segments(num_frames, num_distilled_frames)
    assert picked(selector, 2).tolist() == [expected] * 2
    assert picked(selector, 1, seeds=np.array([[5, 6]], "int32")).tolist() == [expected]


def test_a_random_frame_of_each_segment_in_training():
    seeds = np.array([(3, clip) for clip in range(300)], "int32")
    found = picked(Segments(7, 3), 300, seeds=seeds, training=True)
    for segment, frames in enumerate(([0, 1], [2, 3], [4, 5, 6])):
        counts = collections.Counter(found[:, segment].tolist())
        assert sorted(counts) == frames
        assert min(counts.values()) > 250 / len(frames) - 40  # a standard deviation of at most 8.7 from 300 / length
    assert len(set(map(tuple, found.tolist()))) == 12  # of 2 x 2 x 3: each segment draws for itself


def test_the_exact_frames_of_one_seed_never_change():
    selector, seeds = Segments(40, 4), np.array([(3, 14), (-1, 2)], "int32")
    found = picked(selector, 2, seeds=seeds, training=True)
    assert found.tolist() == [[0, 17, 26, 33], [3, 13, 28, 38]]
    np.testing.assert_array_equal(picked(selector, 1, seeds=seeds[1:], training=True), found[1:])


def test_without_seeds_training_draws_anew_each_time():
    selector = Segments(250, 5)
    assert (picked(selector, 4, training=True) != picked(selector, 4, training=True)).any()


def test_a_round_trip():
    selector = Segments(8, 4, name="selector")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(selector))
    assert type(again) is Segments
    assert again.get_config() == selector.get_config()
