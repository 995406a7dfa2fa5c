import json
import pathlib

import pytest

from tsd_tf.config import METHODS, PUBLISHED, check_fields
from tsd_tf.contract.errors import UserError
from tsd_tf.recipes import Recipe, recipe

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
PRESETS = sorted(path.stem for path in pathlib.Path(recipe.__file__).parent.glob("*.json"))


def test_the_fields_of_a_method_win(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(
        '{"recipe_version": 1, "seed": 1, "T": 2, "comments": {"seed": "ours"}, "methods": {"i3d": {"T": 3}}}'
    )
    found = Recipe.read(path)
    assert (found.fields_of("tsd"), found.fields_of("i3d")) == ({"seed": 1, "T": 2}, {"seed": 1, "T": 3})
    again = tmp_path / "again.json"
    again.write_text(found.to_json())
    assert Recipe.read(again).fields_of("i3d") == found.fields_of("i3d")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_recipes_that_say_where_their_numbers_come_from(name):
    values = json.loads(pathlib.Path(recipe.__file__).with_name(f"{name}.json").read_text())
    assert values["recipe_version"] == recipe.VERSION
    assert values["comments"][""]
    found = Recipe.of_preset(name)
    for fields in (found.fields, *found.by_method.values()):
        check_fields(fields)
    assert set(found.by_method) <= set(METHODS)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_examples_are_recipes(path):
    found = Recipe.read(path)
    for fields in (found.fields, *found.by_method.values()):
        check_fields(fields)


def test_the_presets():
    own = {"custom", "custom_fine_tuned", "kinetics400", "sample", "ucf101"}
    assert set(PRESETS) == own | {name + end for name in PUBLISHED for end in ("", "_ucf101")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "r.json is no recipe: expected a JSON object, Expecting property name .*line 1"),
        ("[" * 100_000, "r.json is no recipe: expected a JSON object, maximum recursion"),
        ("[1]", "r.json is no recipe: expected a JSON object of fields"),
        ('{"seed": 1, "seed": 2}', "in which 'seed' stands twice"),
        ('{"recipe_version": 2}', "r.json is a recipe of version 2, expected 1: another tsd_tf wrote it"),
        ('{"recipe_version": "1"}', 'a recipe of version "1", expected 1: another tsd_tf wrote it'),
        ('{"preset": 3}', "expected the name of a preset in 'preset', got 3"),
        ('{"methods": {"i3d": 3}}', "expected an object of fields for each method in 'methods'"),
    ],
)
def test_what_is_no_recipe(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Recipe.read(tmp_path / "r.json")


def test_an_older_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "VERSION", 2)
    for text in ('{"recipe_version": 1}', "{}"):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(UserError, match=r"of version 1, expected 2: docs/recipes.md says what has changed since"):
            Recipe.read(tmp_path / "r.json")


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="cannot read the recipe .*none.json: No such file"):
        Recipe.read(tmp_path / "none.json")
