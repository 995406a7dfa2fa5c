"""Files and folders that exist whole or not at all."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any, BinaryIO

_HOST = re.sub(r"\W", "_", socket.gethostname())
_PARTIAL = re.compile(rf"\.{_HOST}-(\d+)-[0-9a-f]{{32}}\.partial\..*")


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A context that gives a path to write a file or a folder to; it is renamed to `path` when the context ends.

    Its bytes are on the disk before that, so that it is whole even if the power fails. After an error the old content
    stays and nothing is left behind; what a killed process leaves is removed by the next one that writes there.
    Several processes, even on several machines, may write the same file at once: the last one wins.

    Args:
        path: file or folder; replaced if it exists. The folder that it lies in is made if it is missing.

    Yields:
        A path in the same folder at which nothing exists yet; its name ends as that of `path`.

    Raises:
        OSError: it cannot be written; the error's `filename` is `path`.
    """
    path = pathlib.Path(path)
    partial = _aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent)
        yield partial
        for written in [*partial.rglob("*"), partial]:
            _sync(written)
        if path.is_dir():
            remove(path)
        os.replace(partial, path)
        _sync(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        _delete(partial)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """As `whole`, for a file: gives it open for writing bytes."""
    with whole(path) as partial, open(partial, "wb") as file:
        yield file


def write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes bytes, or text in UTF-8, as a `whole` file."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike, value: Any, indent: int = 2) -> None:
    """Writes what JSON can hold as a `whole` file."""
    write(path, json.dumps(value, indent=indent) + "\n")


def remove(path: pathlib.Path) -> None:
    """Removes a folder; it is renamed first, so that it is never seen half empty."""
    aside = path.rename(_aside(path))
    shutil.rmtree(aside)


def require_writable(folder: str | os.PathLike[str]) -> None:
    """OSError unless files can be written in `folder`: better found out before a long test than after it."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _aside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{_HOST}-{os.getpid()}-{uuid.uuid4().hex}.partial.{path.name}")


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # nothing to delete, or no folder to delete it from
            path.unlink()


@functools.cache
def _remove_leftovers(folder: pathlib.Path) -> None:
    """Runs once per process and folder, which may hold many thousands of files."""
    for path in folder.iterdir():
        match = _PARTIAL.fullmatch(path.name)
        if match and not _is_alive(int(match[1])):
            _delete(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's process
    return True
