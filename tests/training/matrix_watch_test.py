import math

import numpy as np
import pytest

from tsd_tf.selectors import TSD, Random, TemporalAttention
from tsd_tf.training.matrix_watch import MatrixWatch, entropy_and_maximum

COARSE = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_1_relu"}


def warnings(watch, entropies):
    return [(step, warning) for step, entropy in enumerate(entropies, 1) if (warning := watch.update(entropy, 0.5))]


def test_a_saturated_p_warns_once_and_names_the_fields():
    ((step, text),) = warnings(MatrixWatch(8, 40), [1.0] * 5 + [1e-4] * 100)
    assert step == 5 + 20
    assert "saturated for 20 steps" in text
    for field in ("`logit_scale`", "`initializer_stddev`", "`client_gradient_clip_norm`"):
        assert field in text


def test_a_p_that_stays_uniform_warns_once_and_names_the_fields():
    ((step, text),) = warnings(MatrixWatch(8, 40), [math.log(8)] * 100)
    assert step == 20
    assert "uniform for 20 steps" in text
    assert "`initializer_stddev`" in text


def test_a_healthy_p_does_not_warn():
    assert not warnings(MatrixWatch(8, 40), [math.log(8)] * 19 + [1.5, 1.0, 0.4] * 30)
    assert not warnings(MatrixWatch(8, 40), ([1e-4] * 19 + [1.0]) * 5)


def test_one_frame_is_neither():
    assert not warnings(MatrixWatch(1, 40), [0.0] * 100)


@pytest.mark.parametrize(("num_steps", "patience"), [(1, 10), (150, 75), (50_000, 500)])
def test_how_long_it_waits(num_steps, patience):
    assert MatrixWatch(8, num_steps).patience == patience


def test_sharp_and_uniform_columns():
    selector = TSD(8, 2, embedding_channels=4, **COARSE)
    sharp = np.zeros((8, 2), "float32")
    sharp[3, 0] = sharp[5, 1] = 1.0
    uniform = np.full((8, 2), 1 / 8, "float32")
    halves = np.zeros((8, 2), "float32")
    halves[:2] = 0.5
    half_sharp = np.stack([sharp[:, 0], uniform[:, 0]], axis=1)
    entropy, maximum = entropy_and_maximum(selector.distributions(np.stack([sharp, uniform, halves, half_sharp])))
    np.testing.assert_allclose(entropy, [0, math.log(8), math.log(2), math.log(8) / 2], atol=1e-6)
    np.testing.assert_allclose(maximum, [1, 1 / 8, 1 / 2, (1 + 1 / 8) / 2], atol=1e-6)
    assert MatrixWatch(8, 40).uniform_entropy == math.log(8)


def test_temporal_attention_counts_as_one_column():
    selector = TemporalAttention(8, 2, **COARSE)
    importance = np.full(8, 1 / 8, "float32")
    entropy, maximum = entropy_and_maximum(selector.distributions(8 * np.diag(importance)[None]))
    assert float(entropy[0]) == pytest.approx(math.log(8), rel=1e-5)
    assert float(maximum[0]) == pytest.approx(1 / 8)


def test_what_is_learned():
    assert TSD(8, 2, embedding_channels=4, **COARSE).is_learned
    assert TemporalAttention(8, 2, **COARSE).is_learned
    assert not Random(8, 2).is_learned
