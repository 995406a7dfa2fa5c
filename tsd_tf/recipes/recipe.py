"""A recipe: fields of a configuration in a file, some of them for one method alone."""

import dataclasses
import json
import os
import pathlib
from typing import Any

from tsd_tf.contract.errors import UserError

VERSION = 1  # of what the fields mean; when it grows, docs/recipes.md has to say what changed


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a recipe file says. Which fields there are, and what they may hold, is Config's.

    The file is a JSON object of Config's fields, those of a Stage in `stages`, with four entries of its own:
    "recipe_version", without which it counts as the first; "preset", the preset that it changes; "methods",
    {method: fields that hold for that method alone}; "comments", for who reads it.

    Attributes:
        path: names the file in errors.
        preset: name of the preset, or None.
        fields: as in the file.
        by_method: further fields of single methods, which win.
    """

    path: str
    preset: str | None
    fields: dict[str, Any]
    by_method: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Recipe":
        """Reads a file; UserError where there is none, or none of this form and version."""
        try:
            values = json.loads(pathlib.Path(path).read_text(), object_pairs_hook=_object)
        except OSError as error:
            raise UserError(f"cannot read the recipe {path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} is no recipe: expected a JSON object, {error}") from error
        if not isinstance(values, dict):
            raise UserError(f"{path} is no recipe: expected a JSON object of fields")
        version, preset = values.pop("recipe_version", 1), values.pop("preset", None)
        if version != VERSION or isinstance(version, bool):
            is_older = isinstance(version, int) and 0 < version < VERSION
            what_to_do = "docs/recipes.md says what has changed since" if is_older else "another tsd_tf wrote it"
            raise UserError(f"{path} is a recipe of version {json.dumps(version)}, expected {VERSION}: {what_to_do}")
        if not isinstance(preset, str | None):
            raise UserError(f"{path}: expected the name of a preset in 'preset', got {json.dumps(preset)}")
        values.pop("comments", None)
        by_method = values.pop("methods", {})
        if not isinstance(by_method, dict) or not all(isinstance(fields, dict) for fields in by_method.values()):
            raise UserError(f"{path}: expected an object of fields for each method in 'methods'")
        return cls(str(path), preset, values, by_method)

    @classmethod
    def of_preset(cls, name: str) -> "Recipe":
        """The recipe of a preset, a file beside this module."""
        return cls.read(pathlib.Path(__file__).with_name(f"{name}.json"))

    def fields_of(self, method: str) -> dict[str, Any]:
        """All fields that hold for a method, as JSON has them."""
        return self.fields | self.by_method.get(method, {})

    def to_json(self) -> str:
        """The text of the file, readable by `read`."""
        values: dict[str, Any] = {"recipe_version": VERSION}
        if self.preset:
            values["preset"] = self.preset
        values |= self.fields
        if self.by_method:
            values["methods"] = self.by_method
        return json.dumps(values, indent=2) + "\n"


def _object(pairs):
    """A JSON object, in which no name may come twice: the first would count for nothing."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"in which {twice!r} stands twice")
    return values
