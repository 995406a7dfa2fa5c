import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import fewer_bits

ROOT = pathlib.Path(__file__).resolve().parents[2]


def curve(*points, uncoded=0.8):
    """Points (bytes, top1) of falling quality, as the program measures them."""
    rows = [{"quality": None, "top1": uncoded, "top1_standard_error": 0.01, "bytes": 60_000}]
    rows += [{"quality": 20 + index, "top1": top1, "bytes": size} for index, (size, top1) in enumerate(points)]
    return [row | dict.fromkeys(("stream_bytes", "bytes_beyond_grey"), row["bytes"]) for row in rows]


@pytest.mark.parametrize(
    ("top1", "expected"),
    [
        (0.8, 800.0),
        (0.7, 400.0),  # half way between 200 and 800 on a logarithmic scale
        (0.6, 200.0),
        (0.5, 100.0),
        (0.3, 100.0),
        (0.81, None),
    ],
)
def test_bytes_are_interpolated_on_a_logarithmic_scale(top1, expected):
    found = fewer_bits.bytes_at(curve((800, 0.8), (200, 0.6), (100, 0.5)), top1, "bytes")
    assert found == pytest.approx(expected)


def test_points_that_fall_with_more_bytes_are_averaged():
    # 0.7 and 0.74 become 0.72 for both; the cheaper one reaches it.
    found = fewer_bits.bytes_at(curve((800, 0.8), (400, 0.7), (200, 0.74), (100, 0.5)), 0.72, "bytes")
    assert found == pytest.approx(200)


def test_savings_are_compared_where_the_network_without_the_codec_has_a_curve():
    without = curve((800, 0.8), (400, 0.79), (200, 0.77))
    cheaper = curve((600, 0.85), (300, 0.79), (150, 0.78))
    within_an_error, two_points, four_points = fewer_bits._compared(without, cheaper)
    assert within_an_error["top1"] == pytest.approx(0.79)
    assert within_an_error["bytes"] == pytest.approx({"without": 400, "with": 300, "saved": 0.25})
    assert two_points["bytes"] == pytest.approx({"without": 400 * 0.5**0.5, "with": 150, "saved": 1 - 150 / 80000**0.5})
    assert four_points["bytes"]["saved"] is None  # how few bytes it would take was not measured


def test_a_candidate_that_does_not_reach_the_accuracy_is_not_chosen():
    without = curve((800, 0.8), (400, 0.79), (200, 0.77))
    ends = {"weak": curve((90, 0.6), (80, 0.5)), "dear": curve((500, 0.8)), "cheap": curve((300, 0.8))}
    compared = {name: fewer_bits._compared(without, end) for name, end in ends.items()}
    assert min(compared, key=lambda name: fewer_bits._rank(compared[name])) == "cheap"


@pytest.mark.slow
def test_the_comparison_from_nothing_to_its_table(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fewer_bits", f"--output_dir={tmp_path / 'out'}", "--seeds=3"]
    command += [
        "--num_train=12",
        "--num_validate=6",
        "--num_test=6",
        "--max_steps=2",
        "--longer=10",
        "--steps=10",
        "--clips=1",
    ]
    command += ["--qualities=24,40", "--candidates=1:30"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/fewer_bits.json").read_text())
    assert found["chosen"] == {"rate_weight": 1.0, "codec_quality": 30}
    for curve in (found["seeds"]["3"]["without"], found["mean"]["with"]):
        assert [row["quality"] for row in curve] == [None, 24, 40]
        assert curve[0]["bytes"] > curve[1]["bytes"] > curve[2]["bytes"] > curve[2]["stream_bytes"] > 100
    config = json.loads((tmp_path / "out/seed3/rate_1_quality_30/config.json").read_text())
    assert (config["rate_weight"], config["codec_quality"], config["stages"][0]["num_steps"]) == (1.0, 30, 10)
    assert "--rate_weight=1 --codec_quality=30" in done.stdout
