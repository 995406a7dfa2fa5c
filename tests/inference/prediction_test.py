"""What a prediction tells, and how it is shown."""

import re
import sys
import types

import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.inference import prediction as predictions
from tsd_tf.inference.prediction import Prediction
from tsd_tf.inference.source import Source
from tsd_tf.video import distilled_clip
from tsd_tf.video.distilled_clip import DistilledClip

MATRIX = np.array([[0.5, 0.0], [0.25, 0.0], [0.25, 0.0], [0.0, 1.0]], np.float32)


@pytest.fixture(scope="module")
def prediction():
    frames = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    clip = DistilledClip(1, frames, MATRIX, frames[[0, 3]])
    return Prediction(
        source="videos/$kick_it$.mp4",
        labels=("jump", "kick", "roll"),
        probabilities=np.array([0.2, 0.7, 0.1], np.float32),
        clips=(clip, clip),
        clip_probabilities=np.array([[0.4, 0.5, 0.1], [0.0, 0.9, 0.1]], np.float32),
        indices=np.array([[1, 2, 0, 1], [1, 2, 3, 4]]),
        frame_rate=10.0,
        shortfall="only 1.00 s of it could be read",
    )


def test_sources_are_the_strongest_frames_with_their_times(prediction):
    assert prediction.sources() == [[Source(0.5, 0.1, 1), Source(0.25, 0.2, 2), Source(0.25, 0.0, 0)], [(1.0, 0.1, 1)]]
    assert prediction.sources(clip=1, most=1) == [[Source(0.5, 0.1, 1)], [Source(1.0, 0.4, 4)]]


def test_it_says_what_it_is(prediction):
    assert repr(prediction) == "<Prediction kick 70% (jump 20%, roll 10%), 2 clips of $kick_it$.mp4>"


def picture(contents):
    return cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)


def test_pictures_grow_with_the_clips_and_show_the_heat(prediction, tmp_path):
    prediction.save(tmp_path / "result.png")
    saved = (tmp_path / "result.png").read_bytes()
    assert saved == prediction._repr_png_() == prediction.picture()
    whole = picture(saved)
    assert whole.shape[1] == 1100
    heat = np.zeros((2, 2, 16, 16), np.float32)
    heat[0, 0, :8] = 1.0
    prediction.save(tmp_path / "heat.png", heat=heat)
    hot = picture((tmp_path / "heat.png").read_bytes())
    assert hot.shape[0] > whole.shape[0]
    blank = picture(prediction.picture(np.zeros_like(heat)))
    assert blank.shape == hot.shape
    differing = np.argwhere((blank != hot).any(axis=2))
    # Within one distilled frame: a seventh of the width, and half of its height.
    assert 50 < np.ptp(differing[:, 1]) < 1100 / 7
    assert 25 < np.ptp(differing[:, 0]) < 1100 / 14 + 5


def test_pages_and_arrays_are_written_by_their_endings(prediction, tmp_path):
    prediction.save(tmp_path / "result.HTML")
    page = (tmp_path / "result.HTML").read_text()
    assert "“kick”, 70% sure" in page
    assert "only 1.00 s of it could be read." in page
    assert len(re.findall("<h3>Clip", page)) == 2
    prediction.save(tmp_path / "result.npz")
    again = distilled_clip.read(tmp_path / "result.npz")
    np.testing.assert_array_equal(again[1].transformation_matrix, MATRIX)
    with pytest.raises(UserError, match=r"`path` must end in .png, .html or .npz. Received: path=result.gif"):
        prediction.save("result.gif")


def test_heat_of_another_prediction_is_refused(prediction, tmp_path):
    heat = np.zeros((1, 2, 16, 16))
    with pytest.raises(
        UserError, match=r"`heat` must be of shape \(2, 2, 16, 16\), as this prediction. Received: \(1,"
    ):
        prediction.save(tmp_path / "heat.png", heat)
    with pytest.raises(UserError, match=r"`heat` is drawn into pictures, whose names end in .png"):
        prediction.save(tmp_path / "heat.html", heat)
    assert not list(tmp_path.iterdir())


def test_in_a_script_it_is_shown_in_the_browser(prediction, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(predictions.webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    prediction.show()
    assert capsys.readouterr().out == ""
    prediction.show()
    assert re.fullmatch(r"there is no browser to show it: /.*prediction.html\n", capsys.readouterr().out)
    for address in opened:
        with open(address.removeprefix("file://")) as file:
            assert "“kick”" in file.read()


def test_in_a_notebook_it_is_shown_there(prediction, monkeypatch):
    shown = []
    shell = types.SimpleNamespace(kernel=object())
    fakes = {
        "IPython": types.SimpleNamespace(get_ipython=lambda: shell),
        "IPython.display": types.SimpleNamespace(display=shown.append),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    prediction.show()
    assert shown == [prediction]


def test_without_matplotlib_there_is_the_text_and_the_page(prediction, monkeypatch, tmp_path):
    for name in ("prediction_picture", "figures"):
        monkeypatch.delitem(sys.modules, f"tsd_tf.reporting.{name}", raising=False)
        monkeypatch.delattr(f"tsd_tf.reporting.{name}", raising=False)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert prediction._repr_png_() is None
    with pytest.raises(UserError, match=r"a picture needs matplotlib.*, which is not installed: pip install 'tsd_tf\["):
        prediction.save(tmp_path / "result.png")
    prediction.save(tmp_path / "result.html")
    assert [path.name for path in tmp_path.iterdir()] == ["result.html"]
