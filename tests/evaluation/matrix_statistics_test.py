import numpy as np
import pytest

from tsd_tf.evaluation import matrix_statistics


def test_p_on_the_event_in_order():
    # Two clips of six frames to two columns; the event fills frames 2 and 3 of the first, the second shows none.
    matrices = np.zeros((2, 6, 2))
    matrices[0, 2, 0] = matrices[0, 3, 0] = 0.5
    matrices[0, 5, 1] = 1.0
    matrices[1, 0] = 1.0
    events = np.zeros((2, 6), bool)
    events[0, 2:4] = True
    assert matrix_statistics.describe(matrices, events) == {
        "clips": 1,
        "mass_in_event": 0.5,
        "uniform_share": pytest.approx(1 / 3),
        "effective_frames": pytest.approx(1.5),
        "maximum": 0.75,
        "increasing": 1.0,
        "redundancy": 0.0,
    }
    backwards = matrix_statistics.describe(matrices[:, :, ::-1], events)
    assert backwards["increasing"] == 0.0
