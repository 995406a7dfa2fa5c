import numpy as np
import pytest

from tsd_tf.efficiency import table
from tsd_tf.efficiency.measurement import jpeg_bytes, measure
from tsd_tf.efficiency.rows import Cost, Row

pytestmark = pytest.mark.slow


def example(noise=60):
    return np.random.default_rng(0).integers(0, noise, (2, 48, 64, 3), "uint8")


def test_times_and_counts_are_those_of_all_clips():
    rows = [Row(5, "few", "inception_i3d", "tsd", clips, 4, 2, size=32, both=Cost(16.4, 1.0, 10.0)) for clips in (1, 3)]
    one, three = (measure(row, example(), timing_runs=1) for row in rows)
    assert three.cloud_macs == 3 * one.cloud_macs
    assert three.client_macs == 3 * one.client_macs
    assert three.cloud_parameters == one.cloud_parameters
    assert three.client_milliseconds == pytest.approx(3 * one.client_milliseconds)
    assert one.client_milliseconds > 0
    assert one.cloud_milliseconds > 0
    assert (three.frames_transmitted, three.bytes_raw) == (6, 6 * 32 * 32 * 3)
    client, cloud, both = table.lines(rows[1], three)
    assert [line["part"] for line in (client, cloud, both)] == ["client", "cloud", "both"]
    milliseconds = three.client_milliseconds + three.cloud_milliseconds
    assert both["milliseconds"] == pytest.approx(milliseconds, abs=0.06)
    assert both["GMAC_deviation_percent"] == pytest.approx(
        100 * ((three.client_macs + three.cloud_macs) / 1e9 - 1), abs=0.06
    )
    assert client["GMAC_deviation_percent"] is None
    assert cloud["linear_rule_GMAC"] == round(6 * 1.6875, 2)


def test_a_method_without_a_client_has_one_line():
    row = Row(1, "plain", "resnet3d_18", "i3d", 2, 4, 4, size=32)
    measured = measure(row, example())
    assert measured.client_macs is None
    (line,) = table.lines(row, measured)
    assert line["part"] == "cloud"
    assert line["milliseconds"] is None
    made = table.costs([(row, measured)], ["a note"])
    assert "| plain " in made.markdown()
    assert made.markdown().endswith("|\n\n- a note\n")
    assert made.csv().splitlines()[0].split(",") == list(line)


def test_jpeg_size_is_that_of_the_pictures():
    assert jpeg_bytes(example(1), 32) < jpeg_bytes(example(250), 32)
