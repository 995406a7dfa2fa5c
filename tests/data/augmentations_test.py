import numpy as np
import pytest

from tsd_tf import config
from tsd_tf.data import augmentations


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(60, 160, (3, 12, 16, 3), "uint8")


def changed(name, frames, seed=(1, 2)):
    found = augmentations.composed([name])(frames, seed).numpy()
    assert (found.dtype, found.shape) == (np.uint8, frames.shape)
    return found


def factor(plain, frames, found):
    """By how much all distances from `plain` grow, of values that are not clipped."""
    away = np.abs(frames - plain) > 20
    ratios = ((found - plain) / np.where(away, frames - plain, 1))[away]
    assert np.ptp(ratios) < 0.1  # of rounding
    return ratios.mean()


@pytest.mark.parametrize("name", config.AUGMENTATIONS)
def test_it_is_a_function_of_clip_and_seed(frames, name):
    found = {changed(name, frames, (1, seed)).tobytes() for seed in range(20)}
    assert len(found) == 2 if name == "grey" else len(found) > 8
    assert {changed(name, frames, (1, seed)).tobytes() for seed in range(20)} == found


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_change_by_one_factor_for_all_frames(frames, name):
    grey = (frames * (0.299, 0.587, 0.114)).sum(axis=-1, keepdims=True)
    plain = {"brightness": 0.0, "contrast": grey.mean(), "saturation": grey}[name]
    factors = [factor(plain, frames.astype(float), changed(name, frames, (1, seed))) for seed in range(30)]
    assert 0.6 <= min(factors) < 0.75
    assert 1.25 < max(factors) <= 1.41


def test_a_fifth_of_the_clips_is_grey(frames):
    found = [changed("grey", frames, (1, seed)) for seed in range(200)]
    is_grey = [np.ptp(one, axis=-1).max() == 0 for one in found]
    assert 25 <= sum(is_grey) <= 55
    assert all(grey or np.array_equal(one, frames) for grey, one in zip(is_grey, found, strict=True))


def test_zoom_shows_a_window_of_every_frame():
    """Of a ramp from left to right a window is a flatter ramp: its ends tell where it lies."""
    ramp = np.broadcast_to(np.arange(100, dtype="uint8")[None, None, :, None], (2, 100, 100, 3))
    for seed in range(20):
        found = changed("zoom", ramp, (1, seed)).astype(float)
        np.testing.assert_array_equal(found, np.broadcast_to(found[:1, :1, :, :1], found.shape))
        width = found[0, 0, -1, 0] - found[0, 0, 0, 0]
        assert 64 <= width <= 99


def test_each_of_several_has_a_seed_of_its_own(frames):
    one, both = (augmentations.composed(["brightness"] * count) for count in (1, 2))
    first = one(frames, (1, 2)).numpy()
    assert not np.array_equal(both(frames, (1, 2)), one(first, (1, 2)))
    assert augmentations.composed([]) is None


def test_names_and_functions_are_the_same_list():
    public = {name for name, value in vars(augmentations).items() if callable(value) and not name.startswith("_")}
    assert public - {"composed", "Augmentation", "Callable", "Sequence"} == set(config.AUGMENTATIONS)
