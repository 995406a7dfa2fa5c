"""Whether JSON holds what the fields of a dataclass hold."""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from tsd_tf.contract.errors import UserError

_WORDS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    dict: "an object",
}


def check(cls: type, values: Mapping[str, Any], of: str = "") -> None:
    """Checks names and types of values; what they may be beyond that, the dataclass says.

    Arrays stand for tuples, objects for other dataclasses. Numbers must be finite.

    Args:
        cls: a dataclass.
        values: what JSON holds for some of its fields.
        of: follows a field's name in errors, as in " of stage i3d".

    Raises:
        UserError: names a field that there is not, with the nearest one that there is; or one of another type.
    """
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    for name, value in values.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, cutoff=0)[0]
            raise UserError(f"there is no field {name!r}{of}; the nearest is {near!r}")
        if not _fits(value, hints[name]):
            raise UserError(f"expected {_in_words(hints[name])} in {name!r}{of}, got {json.dumps(value, default=str)}")


def _fits(value, hint):
    if isinstance(hint, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return isinstance(value, (list, tuple)) and all(_fits(item, typing.get_args(hint)[0]) for item in value)
    if dataclasses.is_dataclass(hint):
        return isinstance(value, (dict, hint))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _in_words(hint):
    if isinstance(hint, types.UnionType):
        return " or ".join(map(_in_words, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"a list, each {_in_words(typing.get_args(hint)[0])}"
    return _WORDS[dict if dataclasses.is_dataclass(hint) else hint]
