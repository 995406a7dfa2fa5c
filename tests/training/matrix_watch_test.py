import math

import pytest

from tsd_tf.training.matrix_watch import MatrixWatch


def warnings(watch, entropies):
    return [(step, warning) for step, entropy in enumerate(entropies, 1) if (warning := watch.update(entropy, 0.5))]


def test_a_saturated_p_warns_once_and_names_the_flags():
    ((step, text),) = warnings(MatrixWatch(8, 40), [1.0] * 5 + [1e-4] * 100)
    assert step == 5 + 20
    assert "saturated for 20 steps" in text
    for flag in ("--logit_scale", "--initializer_stddev", "--client_gradient_clip_norm"):
        assert flag in text


def test_a_p_that_stays_uniform_warns_once_and_names_the_flags():
    ((step, text),) = warnings(MatrixWatch(8, 40), [math.log(8)] * 100)
    assert step == 20
    assert "uniform for 20 steps" in text
    assert "--initializer_stddev" in text


def test_a_healthy_p_does_not_warn():
    assert not warnings(MatrixWatch(8, 40), [math.log(8)] * 19 + [1.5, 1.0, 0.4] * 30)
    assert not warnings(MatrixWatch(8, 40), ([1e-4] * 19 + [1.0]) * 5)


def test_one_frame_is_neither():
    assert not warnings(MatrixWatch(1, 40), [0.0] * 100)


@pytest.mark.parametrize(("num_steps", "patience"), [(1, 10), (150, 75), (50_000, 500)])
def test_how_long_it_waits(num_steps, patience):
    assert MatrixWatch(8, num_steps).patience == patience
