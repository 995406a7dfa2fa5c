"""The model that ships: as good as its card says, and small."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from examples import model
from tsd_tf import models
from tsd_tf.building import listed_video
from tsd_tf.building.action_videos import ActionVideos
from tsd_tf.client.distiller import Distiller
from tsd_tf.config import Config
from tsd_tf.contract import signatures

pytestmark = pytest.mark.slow

_NUM_VIDEOS = 60
_SEED = 20_251_126  # of no training


@pytest.fixture(scope="module")
def facts():
    return json.loads((models.ACTIONS / models.FACTS_FILE).read_text())


def test_it_recognises_newly_rendered_videos_as_its_card_says(facts):
    distiller = Distiller(models.ACTIONS / "client.tflite")
    path = models.ACTIONS / "cloud" / str(distiller.model.version)
    classify = tf.saved_model.load(str(path)).signatures[signatures.SERVING_DEFAULT]
    scene = ActionVideos(size=distiller.model.frame_size, num_classes=len(distiller.labels))
    assert scene.class_names == distiller.labels == facts["classes"]
    length = distiller.model.num_frames
    right = 0
    for index in range(_NUM_VIDEOS):
        video = scene.render([_SEED, index], index % len(distiller.labels))
        start = np.random.default_rng([_SEED, index]).integers(len(video.frames) - length + 1)
        distilled, _ = distiller.distill(video.frames[start : start + length])
        probabilities = classify(frames=tf.constant(distilled[None]))[signatures.PROBABILITIES]
        right += int(np.argmax(probabilities)) == video.label
    (stated,) = [one["top1"] for one in facts["accuracy"] if (one["clips"], one["codec"]) == (1, "raw")]
    standard_error = math.sqrt(stated * (1 - stated) / _NUM_VIDEOS)
    assert right / _NUM_VIDEOS >= stated - 4 * standard_error
    assert stated > 3 / len(facts["classes"])


@pytest.mark.parametrize("method", ["tsd", "i3d"])
def test_it_was_trained_by_the_recipe_that_is_committed(facts, method):
    assert Config().changed(facts["configuration"][method]) == model.configuration(method)


def test_it_is_small_and_whole(facts):
    files = [path for path in models.ACTIONS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 5_000_000
    videos = listed_video.read(models.ACTIONS / "videos", "test")
    assert len(videos) == 4
    assert {video.label for video in videos} <= set(facts["classes"])


def test_its_videos_are_answered_rightly():
    videos = models.ACTIONS / "videos"
    shown = listed_video.read(videos, "test")
    assert model.recognised(videos, models.ACTIONS, 2) == shown[:2]
    assert model.recognised(videos, models.ACTIONS, 5) == shown


def test_its_card_states_its_numbers(facts):
    card = (models.ACTIONS / "README.md").read_text()
    for one in facts["accuracy"]:
        assert f"{one['top1']:.1%} | {one['top1_standard_error']:.1%}" in card
    assert "Apache-2.0" in card
