"""What ships of a trained model: small, whole, and described by its card."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from examples import model, model_card
from tsd_tf import config
from tsd_tf.building import listed_video
from tsd_tf.client.distiller import Distiller
from tsd_tf.contract.errors import UserError

pytestmark = pytest.mark.slow

FACTS = {
    "classes": ["kick", "jump"],
    "num_train": 4800,
    "num_test": 600,
    "seed": 1,
    "accuracy": [
        {
            "clips": 1,
            "codec": "h264",
            "quality": 24,
            "bytes_per_clip": 1203.4,
            "top1": 0.5613,
            "top1_standard_error": 0.02,
        },
        {
            "clips": 10,
            "codec": "raw",
            "quality": None,
            "bytes_per_clip": 61532,
            "top1": 0.6,
            "top1_standard_error": 0.019,
        },
    ],
    "per_class": [{"class": "kick", "videos": 50, "top1": 0.7}, {"class": "jump", "videos": 50, "top1": 0.42}],
    "configuration": {method: config.dataclasses.asdict(config.sample(method)) for method in ("tsd", "i3d")},
    "versions": {"tensorflow": "2.16.2", "keras": "3.15.1"},
}


@pytest.fixture
def export(exported, tmp_path):
    """A copy of an export, its weights rounded."""
    folder = tmp_path / "export"
    shutil.copytree(exported.folder, folder)
    model.round_weights(folder / "cloud/1")
    return folder


def _variables(saved_model):
    reader = tf.train.load_checkpoint(str(saved_model / "variables/variables"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_rounded_weights_fit_into_half_precision_and_answer_alike(exported, export):
    before, after = _variables(exported.folder / "cloud/1"), _variables(export / "cloud/1")
    assert before.keys() == after.keys()
    rounded = 0
    for name, value in after.items():
        if getattr(value, "dtype", None) == np.float32:
            np.testing.assert_array_equal(value, before[name].astype(np.float16))
            rounded += not np.array_equal(value, before[name])
    assert rounded > 50
    frames = tf.constant(exported.clips[:, :4])
    answers = [
        tf.saved_model.load(str(folder / "cloud/1")).signatures["serving_default"](frames=frames)["probabilities"]
        for folder in (exported.folder, export)
    ]
    np.testing.assert_allclose(*answers, atol=0.01)
    assert np.abs(answers[0] - answers[1]).max() > 0


def test_what_ships_is_an_export_with_a_card_and_videos(exported, export, sample_videos, tmp_path):
    target = tmp_path / "shipped"
    all_videos = listed_video.read(sample_videos, "test")
    shown = [all_videos[0], all_videos[3]]
    model.ship(sample_videos, export, FACTS, shown, target)
    assert Distiller(target / "client.tflite").labels == exported.labels
    videos = listed_video.read(target / "videos", "test")
    assert [(video.label, video.event) for video in videos] == [(video.label, video.event) for video in shown]
    assert videos[1].path.read_bytes() == all_videos[3].path.read_bytes()
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file() and path.suffix != ".mp4"}
    assert found == {
        "README.md",
        "client.json",
        "client.tflite",
        "cloud/1/assets.extra/tf_serving_warmup_requests",
        "cloud/1/fingerprint.pb",
        "cloud/1/saved_model.pb",
        "cloud/1/variables/variables.data-00000-of-00001",
        "cloud/1/variables/variables.index",
        "labels.txt",
        "model.json",
        "videos/test.csv",
        "videos/test_events.csv",
    }
    assert json.loads((target / "model.json").read_text()) == json.loads(json.dumps(FACTS))


def test_what_is_too_large_does_not_ship(export, sample_videos, tmp_path, monkeypatch):
    target = tmp_path / "shipped"
    shown = listed_video.read(sample_videos, "test")[:1]
    model.ship(sample_videos, export, FACTS, shown, target)
    before = (target / "README.md").read_text()
    monkeypatch.setattr(model, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match=r"expected at most 1,000 bytes, got [\d,]+; nothing was put in place"):
        model.ship(sample_videos, export, {**FACTS, "num_test": 1}, shown, target)
    assert (target / "README.md").read_text() == before


def test_the_card_states_the_facts():
    text = model_card.card(FACTS)
    for part in (
        "which of 2 actions a person does in a clip of 20 frames, from 5 distilled frames",
        "| 1 | h264 of quality 24 | 1,203 | 56.1% | 2.0% |",
        "| 10 | raw | 61,532 | 60.0% | 1.9% |",
        "chance is\n50.0%",
        "| jump | 50 | 42% |",
        "--num_train=4800",
        "--seed=1",
        "keras 3.15.1, tensorflow 2.16.2",
        "`tsd_stage1`",
        "DeepMimic",
        "Apache-2.0",
    ):
        assert part in text
    assert not re.search(r"[{}]", text)
    assert pathlib.Path(model_card.__file__).with_suffix(".md").is_file()
