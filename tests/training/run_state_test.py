import pytest

from tsd_tf.config import Stage, kinetics400
from tsd_tf.training.run_state import learning_rate


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.1), (9_999, 0.1), (10_000, 0.01), (25_000, 0.001), (49_999, 0.1 * 0.1**4)]
)
def test_stage_1_falls_tenfold_every_10000_steps(step, rate):
    stage1 = kinetics400().stages[0]
    assert learning_rate(stage1, step) == pytest.approx(rate, rel=1e-12)


def test_stage_2_falls_by_0_3_every_30000_steps():
    stage2 = kinetics400().stages[1]
    rates = [learning_rate(stage2, step) for step in (0, 29_999, 30_000, 60_000, 89_999)]
    assert rates == pytest.approx([0.01, 0.01, 0.003, 0.0009, 0.0009])


def test_i3d_follows_its_own_schedule():
    (i3d,) = kinetics400("i3d").stages
    assert [learning_rate(i3d, step) for step in (96_999, 97_000, 108_000)] == pytest.approx([0.1, 0.01, 0.001])
    assert i3d.num_steps == 115_000


def test_a_stage_without_boundaries_is_constant():
    assert learning_rate(Stage("s", "network", 10, 0.5), 9) == 0.5
