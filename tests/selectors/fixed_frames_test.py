import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.selectors import Consecutive, Uniform
from tsd_tf.selectors.fixed_frames import one_hot_matrix


def picked(selector, batch=2):
    """The frame indices that P picks, the same for every clip of a batch."""
    frames = np.zeros((batch, selector.num_frames, 4, 4, 3), "float32")
    matrix = ops.convert_to_numpy(selector(frames))
    assert matrix.shape == (batch, selector.num_frames, selector.num_distilled_frames)
    assert sorted(np.unique(matrix)) == [0.0, 1.0]
    np.testing.assert_array_equal(matrix.sum(axis=1), 1.0)
    np.testing.assert_array_equal(matrix, np.broadcast_to(matrix[:1], matrix.shape))
    return matrix[0].argmax(axis=0).tolist()


@pytest.mark.parametrize(
    ("num_frames", "num_distilled_frames", "expected"),
    [
        (20, 5, [0, 4, 8, 12, 16]),
        (10, 5, [0, 2, 4, 6, 8]),
        (40, 10, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]),
        (7, 3, [0, 2, 4]),
        (10, 4, [0, 2, 5, 7]),
        (5, 5, [0, 1, 2, 3, 4]),
        (9, 1, [0]),
    ],
)
def test_uniform_indices(num_frames, num_distilled_frames, expected):
    assert picked(Uniform(num_frames, num_distilled_frames)) == expected


@pytest.mark.parametrize(("num_frames", "num_distilled_frames"), [(20, 5), (6, 6), (3, 1)])
def test_consecutive_indices(num_frames, num_distilled_frames):
    assert picked(Consecutive(num_frames, num_distilled_frames)) == list(range(num_distilled_frames))


def test_one_hot_matrix_keeps_the_order_of_its_indices():
    np.testing.assert_array_equal(one_hot_matrix([2, 0], 3), [[0, 1], [0, 0], [1, 0]])


@pytest.mark.parametrize("selector_class", [Consecutive, Uniform])
def test_no_variables_and_a_round_trip(selector_class):
    selector = selector_class(8, 4, name="selector")
    selector.build((None, 8, 32, 32, 3))
    assert selector.variables == []
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(selector))
    assert type(again) is selector_class
    assert again.get_config() == selector.get_config()


@pytest.mark.parametrize(("num_frames", "num_distilled_frames"), [(4, 5), (4, 0), (0, 0)])
def test_lengths_it_cannot_have(num_frames, num_distilled_frames):
    received = f"Received: num_frames={num_frames}, num_distilled_frames={num_distilled_frames}"
    with pytest.raises(ValueError, match=received):
        Uniform(num_frames, num_distilled_frames)


@pytest.mark.parametrize("shape", [(None, 7, 4, 4, 3), (None, 8, 4, 4, 1), (8, 4, 4, 3)])
def test_clips_it_cannot_take(shape):
    with pytest.raises(ValueError, match=r"Uniform expects frames of shape \(batch, 8, height, width, 3\)"):
        Uniform(8, 2).build(shape)
