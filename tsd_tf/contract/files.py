"""Files and folders that are there whole or not at all."""

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
    """A context: where to write a file or a folder that takes the name `path` when the context ends without an error.

    By then its bytes are on the disk, so that it is whole even when the power fails. An error leaves what was there
    before; what a killed process left is removed by the next one that writes there. Several processes, also on several
    machines, may write the same path at once: the last one's content stays.

    Args:
        path: what was there before is replaced. Its folder is made where it is missing.

    Yields:
        A path in the same folder, whose name ends as that of `path`, and at which nothing is yet.

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
    """`whole` of a file that is open for writing bytes."""
    with whole(path) as partial, open(partial, "wb") as file:
        yield file
        file.flush()


def write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes bytes, or text in UTF-8, as a `whole` file."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike, value: Any, indent: int = 2) -> None:
    """Writes what JSON can hold as a `whole` file."""
    write(path, json.dumps(value, indent=indent) + "\n")


def remove(path: pathlib.Path) -> None:
    """Removes a folder, which loses its name before the first of its files goes."""
    aside = path.rename(_aside(path))
    shutil.rmtree(aside)


def require_writable(folder: str | os.PathLike) -> None:
    """OSError unless files can be made in `folder`: better before a long test than after it."""
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
        path.unlink(missing_ok=True)


@functools.cache
def _remove_leftovers(folder: pathlib.Path) -> None:
    """Once a process: a folder may hold many thousands of files."""
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
        pass  # somebody else's
    return True
