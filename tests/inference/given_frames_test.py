import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.inference.clip_format import ClipFormat
from tsd_tf.inference.given_frames import frames_of

FORM = ClipFormat(8, 4, frame_size=28, short_side=32)
RAMP = np.linspace(0, 1, 2 * 28 * 28 * 3, dtype=np.float32).reshape(2, 28, 28, 3)


def test_frames_of_the_models_size_stay_as_they_are():
    frames = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), np.uint8)
    np.testing.assert_array_equal(frames_of(frames, FORM), frames)


def test_others_are_scaled_and_cropped_as_those_of_a_video():
    columns = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, None, :, None], (2, 64, 96, 3))
    found = frames_of(columns, FORM)
    assert (found.shape, found.dtype) == ((2, 28, 28, 3), np.uint8)
    # 96 x 64 becomes 48 x 32, every pixel the mean of two columns; then columns 10 to 37 are left.
    np.testing.assert_allclose(found[1, 5, :, 2], 2 * np.arange(10, 38) + 0.5, atol=0.5)


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (
            RAMP,
            r"float32, values from 0 to 1: if that is black to white, \(255 \* frames\).round\(\).astype\('uint8'\)",
        ),
        (
            2 * RAMP - 1,
            r"float32, values from -1 to 1: if that is black to white, tsd_tf.to_uint8\(frames\) makes them",
        ),
        (255 * RAMP, r"float32, values from 0 to 255: frames.round\(\).astype\('uint8'\) makes them"),
        ((255 * RAMP).astype(np.int64), r"int64, values from 0 to 255: frames.round\(\).astype\('uint8'\) makes them"),
        (300 * RAMP, r"float32, values from 0 to 300$"),
        (np.full_like(RAMP, np.nan), r"float32, not all of it finite$"),
        (RAMP.astype(str), r"<U32$"),
    ],
)
def test_other_types_and_ranges_are_refused_with_what_to_do(video, words):
    with pytest.raises(UserError, match=r"`video` must hold uint8 values from 0 to 255. Received: " + words):
        frames_of(video, FORM)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((28, 28, 3), r"\(28, 28, 3\): a single picture, or one of a list of frames, which numpy.stack makes"),
        ((8, 3, 28, 28), r"its channels come first, frames.transpose\(0, 2, 3, 1\) puts them last"),
        ((2, 8, 28, 28, 3), r"several videos, which a list holds: list\(videos\)"),
        ((8, 28, 28, 1), r"\(8, 28, 28, 1\)$"),
        ((0, 28, 28, 3), r"\(0, 28, 28, 3\)$"),
    ],
)
def test_other_shapes_are_refused_with_what_to_do(shape, words):
    with pytest.raises(UserError, match=r"`video` must be of shape \(frames, height, width, 3\), RGB. .*" + words):
        frames_of(np.zeros(shape, np.uint8), FORM)
