"""The program, run once on all rows; its counts against the reference list of what a faithful network counts."""

import csv
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("efficiency")
    video = folder / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for shade in (0, 100, 200):
        writer.write(np.full((48, 64, 3), shade, "uint8"))
    writer.release()
    command = [sys.executable, "-m", "tsd_tf.efficiency", "--no_timing", f"--output_dir={folder}", f"--video={video}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return folder, result.stdout


def find(output, name, clips):
    folder, _ = output
    rows = json.loads((folder / "efficiency.json").read_text())["rows"]
    return {
        (row["num_frames"], row["num_distilled_frames"]): row["measured"]
        for row in rows
        if row["name"].startswith(name) and row["num_clips"] == clips
    }


def gmac(value):
    return round(value / 1e9, 2)


@pytest.mark.parametrize(
    ("name", "clips", "frames", "macs"),
    [
        ("I3D", 1, (250, 250), 434.95),
        ("I3D", 3, (10, 10), 54.36),
        ("I3D", 3, (20, 20), 104.56),
        ("I3D", 3, (40, 40), 208.41),
        ("I3D+TSD", 3, (20, 5), 33.17),
        ("I3D+TSD", 10, (80, 20), 348.52),
        ("I3D+TSD", 10, (80, 40), 694.71),
        ("TSN", 25, (10, 10), 508.00),
    ],
)
def test_cloud_counts(output, name, clips, frames, macs):
    measured = find(output, name, clips)[frames]
    assert gmac(measured["cloud_macs"]) == macs
    if name != "TSN":
        assert measured["cloud_parameters"] == 12_689_984


@pytest.mark.parametrize(
    ("clips", "frames", "macs", "both"),
    [
        (3, (20, 5), None, 41.98),
        (3, (40, 10), None, 72.06),
        (3, (80, 20), 35.71, 140.26),
        (3, (80, 40), 36.33, None),
        (10, (80, 20), 119.03, None),
        (10, (80, 40), 121.10, None),
    ],
)
def test_client_counts(output, clips, frames, macs, both):
    measured = find(output, "I3D+TSD", clips)[frames]
    num_frames, num_distilled_frames = frames
    assert measured["client_parameters"] == 3_206_976 + 2 * 1024 * 512 + 27 * num_frames * num_distilled_frames
    block = num_frames * 9 * 2 * 1024 * 512 + 28 * num_frames * num_distilled_frames * 9 * 512
    assert measured["client_macs"] == clips * (num_frames * 136_772_352 + block)
    assert measured["distillation_macs"] == clips * num_frames * num_distilled_frames * 150_528
    assert macs is None or gmac(measured["client_macs"]) == macs
    assert both is None or gmac(measured["client_macs"] + measured["cloud_macs"]) == both


def test_artnet(output):
    (measured,) = find(output, "Res18 ARTNet", 250).values()
    assert round(measured["cloud_macs"] / 250 / 1e9, 3) == 25.690
    assert gmac(measured["cloud_macs"]) == pytest.approx(6422.4, abs=0.1)
    assert measured["frames_transmitted"] == 4000


def test_what_travels(output):
    assert find(output, "I3D", 1)[250, 250]["frames_transmitted"] == 250
    measured = find(output, "I3D+TSD", 10)[80, 20]
    assert measured["frames_transmitted"] == 200
    assert measured["bytes_raw"] == 200 * 224 * 224 * 3
    assert 0 < measured["bytes_jpeg"] < measured["bytes_raw"] / 10  # Flat grey frames.


def test_csv_and_markdown_show_the_deviation_from_the_paper(output):
    folder, printed = output
    with (folder / "efficiency.csv").open() as file:
        table = list(csv.DictReader(file))
    (line,) = [
        line
        for line in table
        if line["method"] == "I3D+TSD (20->5)" and line["part"] == "both" and line["table"] == "5"
    ]
    assert (line["GMAC"], line["paper_GMAC"], line["GMAC_deviation_percent"]) == ("41.98", "34", "23.5")
    assert (line["parameters_M"], line["paper_parameters_M"]) == ("16.948", "16.4")
    assert line["milliseconds"] == ""
    markdown = (folder / "efficiency.md").read_text()
    assert markdown in printed
    assert "milliseconds: not measured here" in markdown
    assert "the first 3 frames of clip.avi" in markdown
    assert [path.name for path in folder.glob(".*.partial.*")] == []
