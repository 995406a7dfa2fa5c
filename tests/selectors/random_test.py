import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.selectors import Random
from tsd_tf.selectors.random import random_indices


def oracle(seed, num_frames, num_distilled_frames):
    """`random_indices` of one clip in Python's unbounded integers."""

    def mixed(x):
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ (x >> 16)

    clip = mixed((mixed(seed[0] % 2**32) + seed[1]) % 2**32)
    draws = [mixed((clip + mixed(frame)) % 2**32) for frame in range(num_frames)]
    return sorted(sorted(range(num_frames), key=lambda frame: draws[frame])[:num_distilled_frames])


def indices(seeds, num_frames, num_distilled_frames):
    return ops.convert_to_numpy(random_indices(np.array(seeds, "int32"), num_frames, num_distilled_frames))


@pytest.mark.parametrize(("num_frames", "num_distilled_frames"), [(20, 5), (80, 40), (6, 6), (9, 1)])
def test_is_the_stated_function_of_the_seed(num_frames, num_distilled_frames):
    seeds = [(0, 0), (0, 1), (1, 0), (-5, 7), (2**31 - 1, 2**31 - 1)]
    found = indices(seeds, num_frames, num_distilled_frames)
    assert found.tolist() == [oracle(seed, num_frames, num_distilled_frames) for seed in seeds]


def test_the_exact_frames_of_one_seed_never_change():
    assert indices([(3, 14)], 40, 10).tolist() == [[0, 6, 7, 12, 17, 18, 19, 23, 29, 36]]


def test_rows_ascend_without_repetition_and_all_subsets_are_equally_likely():
    found = indices([(7, clip) for clip in range(6000)], 5, 2)
    assert (np.diff(found, axis=1) > 0).all()
    subsets = list(itertools.combinations(range(5), 2))
    counts = np.array([(found == subset).all(axis=1).sum() for subset in subsets])
    assert counts.sum() == 6000
    chi_squared = ((counts - 600) ** 2 / 600).sum()
    assert chi_squared < 27.9  # 9 degrees of freedom: a fair draw is above it once in a thousand seeds.


def test_a_clip_depends_on_its_own_seed_alone():
    selector = Random(12, 4)
    frames = np.random.default_rng(0).uniform(-1, 1, (3, 12, 4, 4, 3)).astype("float32")
    seeds = np.array([(1, 1), (1, 2), (1, 1)], "int32")
    matrix = ops.convert_to_numpy(selector(frames, seeds=seeds, training=True))
    assert matrix.shape == (3, 12, 4)
    np.testing.assert_array_equal(matrix[0], matrix[2])
    assert (matrix[0] != matrix[1]).any()
    np.testing.assert_array_equal(ops.convert_to_numpy(selector(-frames[1:2], seeds=seeds[1:2]))[0], matrix[1])
    assert matrix.argmax(axis=1).tolist() == indices(seeds, 12, 4).tolist()


def test_without_seeds_the_place_in_the_batch_is_the_seed():
    frames = np.zeros((3, 12, 4, 4, 3), "float32")
    matrix = ops.convert_to_numpy(Random(12, 4)(frames))
    assert matrix.argmax(axis=1).tolist() == indices([(0, 0), (0, 1), (0, 2)], 12, 4).tolist()


def test_without_seeds_training_draws_others_at_every_step():
    frames = np.zeros((3, 12, 4, 4, 3), "float32")
    keras.utils.set_random_seed(5)
    selector = Random(12, 4)
    steps = [ops.convert_to_numpy(selector(frames, training=True)) for _ in range(3)]
    assert (steps[0] != steps[1]).any()
    assert (steps[1] != steps[2]).any()
    assert (steps[0][0] != steps[0][1]).any()
    keras.utils.set_random_seed(5)
    again = Random(12, 4)
    np.testing.assert_array_equal(ops.convert_to_numpy(again(frames, training=True)), steps[0])
    assert again.weights == []


def test_round_trip():
    selector = Random(8, 4, name="selector")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(selector))
    assert again.get_config() == selector.get_config()
