"""docs/extending.md: its examples, in one module of a user's own, do what it says."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from tsd_tf.config import Stage, sample
from tsd_tf.contract import references
from tsd_tf.data import augmentations
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.network_builder import build_network
from tsd_tf.training.stages import stage_model

TEXT = (pathlib.Path(__file__).resolve().parent.parent / "docs/extending.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with all python blocks as own.py, in which the programs of the text are started."""
    folder = tmp_path_factory.mktemp("user")
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 4
    (folder / "own.py").write_text("\n\n".join(blocks))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def config():
    return dataclasses.replace(
        sample(), num_frames=8, num_distilled_frames=5, method="own:Selector", main_network="own:network"
    )


def test_the_flags_name_what_is_there(folder):
    named = re.findall(r"--(\w+)=(?:\w+,)*(own:\w+)", TEXT)
    assert [flag for flag, _ in named] == ["selector", "main_network", "augmentations"]
    for flag, reference in named:
        assert references.resolve(reference, flag).__module__ == "own"


def test_selector_and_main_network_are_trained_as_the_text_says(folder, config):
    network = build_network(config)
    clips = to_network_input(np.random.default_rng(0).integers(0, 256, (2, 8, 64, 64, 3), "uint8"))
    matrix = np.asarray(network.transformation_matrix(clips))
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-5)
    assert network(clips).shape == (2, 6)
    stages = [stage_model(Stage("s", trains, 1, 0.1), network, config) for trains in ("client", "network")]
    assert [len(stage.variables) for stage in stages] == [4, 8]
    assert not [variable.path for variable in stages[1].variables if "stem" in variable.path]


def test_the_augmentation_is_a_function_of_clip_and_seed(folder):
    own = references.resolve("own:brighter_or_darker", "augmentations")
    # Given by its name or as it is, alone or behind others, it is kept by its name.
    config = dataclasses.replace(sample(), augmentations=("grey", own))
    assert config.augmentations == ("grey", "own:brighter_or_darker")
    augment = augmentations.composed((own.__module__ + ":brighter_or_darker",))
    frames = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), "uint8")
    answers = [augment(frames, (1, seed)).numpy() for seed in (2, 2, 3)]
    assert (answers[0].dtype, answers[0].shape) == (np.uint8, frames.shape)
    np.testing.assert_array_equal(answers[0], answers[1])
    assert (answers[0] != answers[2]).any()


def test_the_data_set_is_trained_on_with_its_own_classes(folder, monkeypatch):
    from tsd_tf.training import recipe

    asked = []
    monkeypatch.setattr(recipe, "train_on_kinetics", lambda config, workdir, **others: asked.append((config, others)))
    references.resolve("own:train", "function")()
    ((config, others),) = asked
    assert (config.num_classes, config.data_dir, others["i3d_config"].method) == (7, "data/custom", "i3d")
