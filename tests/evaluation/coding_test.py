import dataclasses

import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.evaluation.coding import Coding, compared
from tsd_tf.video.clip_coding import VIDEO_CODECS


@pytest.mark.parametrize(
    ("text", "name", "quality"),
    [
        ("h264:28", "h264", 28),
        ("h264:0", "h264", 0),
        ("vp9", "vp9", VIDEO_CODECS["vp9"].quality),
        ("jpeg", "jpeg", 90),
        ("jpeg:100", "jpeg", 100),
        ("webp:1", "webp", 1),
        ("png", "png", None),
        ("raw", "raw", None),
    ],
)
def test_codecs_with_and_without_a_quality(text, name, quality):
    assert Coding.parse(text) == Coding(name, quality, "distilled")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theora:3", "expects codecs of h264, .*, raw, as in h264:28. Received: codecs=theora:3"),
        ("", "expects codecs of h264, "),
        ("H264:28", "expects codecs of h264, "),
        ("h264:52", r"a quality of h264 from 0 \(best\) to 51. Received: codecs=h264:52"),
        ("h264:-1", "a quality of h264 from 0"),
        ("h264:", "a quality of h264 from 0"),
        ("h264:2.5", "a quality of h264 from 0"),
        ("h264:\u0663", "a quality of h264 from 0"),
        ("jpeg:0", "a quality of jpeg from 1 to 100. Received: codecs=jpeg:0"),
        ("webp:101", "a quality of webp from 1 to 100"),
        ("raw:9", "raw loses nothing and takes no quality. Received: codecs=raw:9"),
        ("png:9", "png loses nothing"),
    ],
)
def test_what_is_no_coding(text, message):
    with pytest.raises(UserError, match=message):
        Coding.parse(text)


def test_a_missing_encoder_is_found_at_once(monkeypatch):
    monkeypatch.setitem(VIDEO_CODECS, "vp9", dataclasses.replace(VIDEO_CODECS["vp9"], encoder="no_such_encoder"))
    with pytest.raises(UserError, match="FFmpeg has no encoder no_such_encoder here"):
        Coding.parse("vp9:30")


def test_all_that_is_sent_in_the_order_of_the_codecs():
    h264, jpeg, raw = Coding("h264", 28), Coding("jpeg", 90), Coding("raw", None)
    assert compared([h264]) == [h264]
    assert compared([h264, jpeg, h264]) == [h264, jpeg, raw]
    assert compared([raw, h264]) == [raw, h264]
    assert compared([h264], whole_clip=True) == [h264, raw, Coding("h264", 28, "whole_clip")]
    assert [(str(one), one.what) for one in compared([h264, jpeg], whole_clip=True, uniform=True)] == [
        ("h264_28", "distilled"),
        ("jpeg_90", "distilled"),
        ("raw", "distilled"),
        ("h264_28", "whole_clip"),
        ("jpeg_90", "whole_clip"),
        ("h264_28", "whole_clip_uniform"),
        ("jpeg_90", "whole_clip_uniform"),
        ("h264_28", "uniform"),
        ("jpeg_90", "uniform"),
    ]


def test_a_whole_clip_travels_once_whatever_becomes_of_it():
    whole = Coding("h264", 28, "whole_clip")
    assert Coding("h264", 28, "whole_clip_uniform").sent == whole == whole.sent
    assert Coding("h264", 28, "uniform").sent != Coding("h264", 28).sent


@pytest.mark.parametrize("text", ["raw", "png", "webp:100", "jpeg:95", "h264:1", "vp9:1"])
def test_what_comes_back_is_in_the_order_of_what_was_sent(text):
    frames = np.repeat(np.array([200, 40, 120], np.uint8), 16 * 16 * 3).reshape(3, 16, 16, 3)
    coding = Coding.parse(text)
    for order in (None, np.array([1, 2, 0])):
        received = coding.decode(coding.encode(frames, order), (3, 16, 16))
        np.testing.assert_allclose(received, frames, atol=3)
