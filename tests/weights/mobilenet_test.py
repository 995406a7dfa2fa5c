import keras
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.selectors.coarse import mobilenet
from tsd_tf.weights import mobilenet as mobilenet_weights

pytestmark = pytest.mark.slow

CUT = "conv_pw_2_relu"


@pytest.fixture(scope="module")
def whole():
    return mobilenet(32, 0.25)


@pytest.fixture(scope="module")
def cut():
    return mobilenet(32, 0.25, CUT)


def equal(model, donor):
    return all(
        np.array_equal(here, there)
        for layer in model.layers
        if layer.weights
        for here, there in zip(layer.get_weights(), donor.get_layer(layer.name).get_weights(), strict=True)
    )


@pytest.mark.parametrize("file_name", ["whole.weights.h5", "whole.h5", "cut.weights.h5"])
def test_loads_each_kind_of_file_by_layer_name(tmp_path, whole, cut, file_name):
    path = str(tmp_path / file_name)
    donor = whole if file_name.startswith("whole") else cut
    if file_name.endswith(".weights.h5"):
        donor.save_weights(path)
    else:
        donor.save(path)  # Keras' legacy format, that of its mobilenet_*_no_top.h5.
    model = mobilenet(32, 0.25, CUT)
    assert not equal(model, donor)
    mobilenet_weights.load(model, path, 0.25)
    assert equal(model, donor)


def test_none_leaves_the_weights_alone(cut):
    before = [value.copy() for value in cut.get_weights()]
    mobilenet_weights.load(cut, "none", 0.25)
    assert all(np.array_equal(a, b) for a, b in zip(before, cut.get_weights(), strict=True))


def test_imagenet_comes_from_keras_cache_by_name(tmp_path, monkeypatch, whole, cut):
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    whole.save(str(tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5"))
    model = mobilenet(32, 0.25, CUT)
    mobilenet_weights.load(model, "imagenet", 0.25)
    assert equal(model, whole)


def test_a_failed_download_is_one_clear_error(tmp_path, monkeypatch, cut):
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(
        UserError, match=r"could not be downloaded.*mobilenet_2_5.*name it as `mobilenet_weights`.*'none'"
    ):
        mobilenet_weights.load(cut, "imagenet", 0.25)


def test_another_width_is_refused_and_nothing_is_loaded(tmp_path, cut):
    path = str(tmp_path / "wide.weights.h5")
    mobilenet(32, 0.5).save_weights(path)
    before = [value.copy() for value in cut.get_weights()]
    with pytest.raises(UserError, match=r"wide.weights.h5 does not fit MobileNet of width 0.25"):
        mobilenet_weights.load(cut, path, 0.25)
    assert all(np.array_equal(a, b) for a, b in zip(before, cut.get_weights(), strict=True))


def test_imagenet_has_four_widths(cut):
    with pytest.raises(UserError, match=r"0.25, 0.5, 0.75, 1.0. Received: width=0.3"):
        mobilenet_weights.load(cut, "imagenet", 0.3)


def test_files_that_are_something_else(tmp_path, cut):
    with pytest.raises(UserError, match="Found no file: .*nowhere.h5"):
        mobilenet_weights.load(cut, str(tmp_path / "nowhere.h5"), 0.25)
    text = tmp_path / "text.weights.h5"
    text.write_text("hello")
    with pytest.raises(UserError, match="not an HDF5 file"):
        mobilenet_weights.load(cut, str(text), 0.25)
    other = str(tmp_path / "other.weights.h5")
    mobilenet(32, 0.25, "conv_pw_1_relu").save_weights(other)
    with pytest.raises(UserError, match="expected 25 or 135 weight arrays, got 15"):
        mobilenet_weights.load(cut, other, 0.25)
