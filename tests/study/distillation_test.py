import numpy as np
import pytest

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


def test_event_mask():
    mask = data.event_mask(np.asarray([10, 0]), np.asarray([8, 20]), 6)
    assert mask.tolist() == [[False, False, True, True, True, True], [False] * 6]


def test_windows_are_a_function_of_the_seed():
    starts = data.windows(500, 20, 7)
    assert starts.min() == 0
    assert starts.max() == data.NUM_FRAMES - 20
    np.testing.assert_array_equal(starts, data.windows(500, 20, 7))
