"""Files that appear under their names when they are complete."""

import os
import pathlib
import tempfile

from tsd_tf.errors import UserError


def write(path, save):
    """Has `save` write a file aside, and renames it.

    Args:
        path: the file's name; what was there before is replaced.
        save: called with a file that is open for writing bytes.

    Raises:
        UserError: the file cannot be written; what was there before still is.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with aside.open("wb") as file:
            save(file)
        aside.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


def write_text(path, text):
    """`write` of a text in UTF-8."""
    write(path, lambda file: file.write(text.encode()))


def require_writable(folder):
    """UserError unless files can be made in `folder`: better before a long test than after it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}") from error
