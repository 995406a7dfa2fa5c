"""docs/recipes.md: its recipes are such, its loop runs."""

import dataclasses
import json
import pathlib
import re

from tsd_tf.config import check_fields, sample
from tsd_tf.recipes import Recipe
from tsd_tf.training import trainer

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs/recipes.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_recipes_are_read(tmp_path):
    found = blocks("json")
    assert len(found) == 2
    for text in found:
        (tmp_path / "recipe.json").write_text(text)
        recipe = Recipe.read(tmp_path / "recipe.json")
        for fields in (recipe.fields, *recipe.by_method.values()):
            check_fields(fields)


def test_the_loop_trains_each_width_and_seed_in_a_folder_of_its_own(tmp_path, monkeypatch):
    class Trained:
        def __init__(self, run, config):
            self.run_directory, self.config = run, config

        def run(self):
            best = self.run_directory.path / "checkpoints/best_00000001"
            best.mkdir(parents=True)
            top1 = self.config.main_network_width + self.config.seed / 10
            (best / "validation.json").write_text(json.dumps({"top1": top1}))

    monkeypatch.setattr(trainer, "Trainer", Trained)
    (text,) = blocks("python")
    names = {}
    exec(text, names)
    found = names["sweep"](dataclasses.replace(sample(), held_out_share=0.1), tmp_path, seeds=(0, 2))
    assert found == {
        "width0.5_seed0": 0.5,
        "width0.5_seed2": 0.7,
        "width1.0_seed0": 1.0,
        "width1.0_seed2": 1.2,
    }
