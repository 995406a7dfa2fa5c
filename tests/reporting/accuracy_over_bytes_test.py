import math

import cv2
import pytest

from tsd_tf.reporting import accuracy_over_bytes, bytes_picture

# Bytes double from point to point, so that the logarithm of the bytes is the number of the point.
CURVE = [(100, 0.50), (200, 0.60), (400, 0.70), (800, 0.80)]


@pytest.mark.parametrize(
    ("points", "top1", "expected"),
    [
        (CURVE, 0.60, 200),
        (CURVE, 0.65, 100 * 2**1.5),
        (CURVE, 0.725, 100 * 2**2.25),
        (CURVE[::-1], 0.65, 100 * 2**1.5),  # in whatever order they were measured
        (CURVE, 0.50, 100),
        (CURVE, 0.80, 800),
        (CURVE, 0.49, None),
        (CURVE, 0.81, None),
        (CURVE[:1], 0.50, 100),
        (CURVE[:1], 0.51, None),
        # A point that more bytes made worse counts as the better one before it.
        ([(100, 0.50), (200, 0.60), (400, 0.55), (800, 0.80)], 0.70, 100 * 2**2.5),
        ([(100, 0.50), (200, 0.60), (400, 0.55), (800, 0.80)], 0.57, 100 * 2**0.7),
        # The first place where it is reached.
        ([(100, 0.50), (200, 0.60), (400, 0.60), (800, 0.60)], 0.60, 200),
        ([(100, 0.70), (200, 0.60), (400, 0.80)], 0.65, None),  # 100 bytes and fewer
        ([(100, 0.50), (100, 0.60)], 0.55, 100),
    ],
)
def test_where_a_curve_reaches_an_accuracy(points, top1, expected):
    assert accuracy_over_bytes.bytes_at(points, top1) == (expected if expected is None else pytest.approx(expected))


def coding(what, codec, quality, size, top1):
    error = math.sqrt(top1 * (1 - top1) / 600)
    return {"what": what, "codec": codec, "quality": quality, "bytes_per_clip": size, "top1": top1} | {
        "top1_standard_error": error
    }


# As of a test of 600 clips.
MEASURED = [
    coding("distilled", "h264", 24, 1548.0, 0.570),
    coding("distilled", "h264", 28, 1282.0, 0.563),
    coding("distilled", "h264", 32, 1115.0, 0.532),
    coding("distilled", "jpeg", 90, 8188.0, 0.582),
    coding("distilled", "jpeg", 50, 5046.0, 0.548),
    coding("distilled", "vp9", 30, 2000.0, 0.3),
    coding("distilled", "raw", None, 61440.0, 0.583),
    coding("whole_clip", "h264", 28, 2690.0, 0.573),
    coding("whole_clip", "h264", 32, 2042.0, 0.533),
    coding("whole_clip", "jpeg", 90, 30000.0, 0.580),
    coding("whole_clip", "vp9", 30, 3000.0, 0.583),
    coding("whole_clip", "raw", None, 245760.0, 0.583),
    coding("uniform", "h264", 24, 1872.0, 0.352),
]


def test_bytes_at_equal_accuracy():
    h264, jpeg, vp9 = accuracy_over_bytes.at_equal_accuracy(MEASURED)
    top1 = 0.583 - math.sqrt(0.583 * 0.417 / 600)
    share = (top1 - 0.532) / (0.563 - 0.532)
    distilled = math.exp(math.log(1115) + share * (math.log(1282) - math.log(1115)))
    share = (top1 - 0.533) / (0.573 - 0.533)
    whole_clip = math.exp(math.log(2042) + share * (math.log(2690) - math.log(2042)))
    assert h264 == {
        "codec": "h264",
        "top1": pytest.approx(top1),
        "distilled": pytest.approx(distilled),
        "whole_clip": pytest.approx(whole_clip),
        "ratio": pytest.approx(distilled / whole_clip),
        "note": None,
    }
    assert 0.5 < h264["ratio"] < 0.58
    # Where the curves do not tell, nothing is made up.
    assert 5046 < jpeg.pop("distilled") < 8188
    assert jpeg == {
        "codec": "jpeg",
        "top1": pytest.approx(top1),
        "whole_clip": None,
        "ratio": None,
        "note": "whole clip: all qualities tested reach 56.3%",
    }
    assert (vp9["distilled"], vp9["whole_clip"], vp9["ratio"]) == (None, None, None)
    assert vp9["note"] == (
        "distilled frames: no quality tested reaches 56.3%; whole clip: all qualities tested reach 56.3%"
    )


def test_without_whole_clips_or_without_raw_frames():
    (found, *_) = accuracy_over_bytes.at_equal_accuracy([one for one in MEASURED if one["what"] == "distilled"])
    assert 1115 < found["distilled"] < 1282
    assert (found["whole_clip"], found["ratio"], found["note"]) == (None, None, "whole clip: not tested")
    assert accuracy_over_bytes.at_equal_accuracy([one for one in MEASURED if one["codec"] != "raw"]) == []
    assert accuracy_over_bytes.at_equal_accuracy([]) == []


def test_tables_are_in_percent_and_in_the_order_of_the_codings():
    codings, equal = accuracy_over_bytes.tables(MEASURED)
    assert codings.rows[0] == ("distilled frames", "h264", 24, 1548, 57.0, 2.02)
    assert [row[0] for row in codings.rows] == ["distilled frames"] * 7 + [
        "whole clip, distilled behind the decoder"
    ] * 5 + ["uniform frames"]
    assert codings.rows[6][2] is None
    assert equal.rows[0][:5] == ("h264", 56.29, 1281, 2509, 0.511)
    assert [row[0] for row in equal.rows] == ["h264", "jpeg", "vp9"]
    assert accuracy_over_bytes.tables([]) == []
    assert len(accuracy_over_bytes.tables(MEASURED[:2])) == 1


def test_the_picture_has_a_panel_a_test(tmp_path):
    for count in (1, 2):
        bytes_picture.draw(tmp_path / f"{count}.png", [("title", MEASURED)] * count)
    heights = [cv2.imread(str(tmp_path / f"{count}.png")).shape[0] for count in (1, 2)]
    assert heights == [506, 1012]
    # Nothing but a level: raw frames alone.
    bytes_picture.draw(tmp_path / "raw.png", [("title", [MEASURED[6]])])
    assert cv2.imread(str(tmp_path / "raw.png")) is not None
