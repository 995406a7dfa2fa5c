import cv2
import numpy as np
import pytest

from tsd_tf.evaluation.transmission_meter import TransmissionMeter


def test_means_are_those_of_opencvs_pictures():
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (3, 2, 16, 24, 3), "uint8")
    clips[0] = 128  # grey takes less
    with TransmissionMeter([90, 20]) as meter:
        meter.add(clips[:2])
        meter.add(clips[2:])
        means = meter.means()
    # The request says a little beside its frames.
    assert 0 < means["raw"] - 2 * 16 * 24 * 3 < 150
    for quality in (90, 20):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        sizes = [len(cv2.imencode(".jpg", frame[..., ::-1], options)[1]) for clip in clips for frame in clip]
        assert means[f"jpeg_{quality}"] == pytest.approx(sum(sizes) / 3, abs=150)
    assert means["jpeg_20"] < means["jpeg_90"]


def test_nothing_added_nothing_measured():
    with TransmissionMeter([90]) as meter:
        assert meter.means() == {}
