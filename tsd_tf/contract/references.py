"""Classes and functions of the user's own, named as `package.module:name`."""

import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from tsd_tf.contract.errors import UserError

_NAME = r"[^\W\d]\w*"
_REFERENCE = re.compile(rf"({_NAME}(?:\.{_NAME})*):({_NAME})")


def is_reference(text: str) -> bool:
    """Whether `text` has the form package.module:name; whether that exists, `resolve` finds out."""
    return _REFERENCE.fullmatch(text) is not None


def short_name(text: str) -> str:
    """The name after the module of a reference, any other text as it is: fit to be part of a file name."""
    return text.rpartition(":")[2]


def name_of(part: Callable[..., Any], field: str) -> str:
    """The reference that stands for a class or function.

    Args:
        part: defined at the top of a module.
        field: the argument or field that holds it, for errors.

    Raises:
        UserError: it cannot be found again under its name, as a lambda or a function within another one.
    """
    name = f"{getattr(part, '__module__', None)}:{getattr(part, '__qualname__', None)}"
    module = sys.modules.get(getattr(part, "__module__", None) or "")
    if not is_reference(name) or getattr(module, name.rpartition(":")[2], None) is not part:
        raise UserError(
            f"`{field}` must be functions at the top of a module: a run keeps their names and finds them again. "
            f"Received: {field}={part!r}"
        )
    return name


def resolve(reference: str, field: str) -> Callable[..., Any]:
    """Imports the class or function that a reference names, from the current folder or from an installed package.

    Args:
        reference: package.module:name.
        field: the argument or field that holds it, for errors.

    Raises:
        UserError: the form is another one, there is no such module, something that the module imports is missing, or it
            has no such class or function. Other errors of the module pass through: their tracebacks show what is wrong.
    """
    received = f"Received: {field}={reference}"
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise UserError(f"`{field}` must have the form package.module:name. {received}")
    module_name, name = match.groups()
    # As `python -m` does: a script that lies elsewhere and an installed command would not look there.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise UserError(
                f"`{field}` names a module that cannot be found: expected {module_name.replace('.', '/')}.py or a "
                f"package of that name in {here}, or an installed package. {received}"
            ) from error
        raise UserError(
            f"`{field}` names a module that cannot be imported: it needs {error.name}, which is not installed. "
            f"{received}"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        names = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module_name and not key.startswith("_")
        ]
        reason = "there is no {}" if found is None else "{} cannot be called"
        raise UserError(
            f"`{field}` must name a class or a function: {reason.format(f'{module_name}.{name}')}; that module has "
            f"{', '.join(sorted(names)) or 'none'}. {received}"
        )
    return found
