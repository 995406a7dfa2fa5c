import numpy as np
from keras import ops

from tsd_tf.layers import FrameDistillation


def test_equals_equation_1():
    rng = np.random.default_rng(0)
    frames = rng.uniform(-1, 1, (2, 5, 4, 6, 3)).astype("float32")
    matrix = rng.dirichlet(np.ones(5), (2, 3)).transpose(0, 2, 1).astype("float32")
    answer = ops.convert_to_numpy(FrameDistillation()(frames, matrix))
    expected = np.zeros((2, 3, 4, 6, 3))
    for b in range(2):
        for j in range(3):
            for i in range(5):
                expected[b, j] += frames[b, i] * matrix[b, i, j]
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    assert FrameDistillation().compute_output_shape(frames.shape, matrix.shape) == answer.shape


def test_a_permutation_permutes_exactly():
    frames = np.random.default_rng(1).uniform(-1, 1, (1, 4, 3, 3, 3)).astype("float32")
    order = [2, 0, 3]
    matrix = np.eye(4, dtype="float32")[:, order][None]
    np.testing.assert_array_equal(ops.convert_to_numpy(FrameDistillation()(frames, matrix)), frames[:, order])


def test_clips_of_a_batch_do_not_mix():
    rng = np.random.default_rng(2)
    frames = rng.uniform(-1, 1, (2, 4, 3, 3, 3)).astype("float32")
    matrix = rng.dirichlet(np.ones(4), (2, 2)).transpose(0, 2, 1).astype("float32")
    together = ops.convert_to_numpy(FrameDistillation()(frames, matrix))
    alone = ops.convert_to_numpy(FrameDistillation()(frames[1:], matrix[1:]))
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)
