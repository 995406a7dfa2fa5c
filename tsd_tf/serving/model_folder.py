"""What lies in a model folder, whatever that is."""

import contextlib
import os
import pathlib
import re
import stat

from tsd_tf.contract.file_stamp import file_stamp

_VERSION = re.compile(r"[0-9]{1,18}")  # an int64
_MODEL = "saved_model.pb"


class ModelFolder:
    """A folder with one SavedModel a version, in which files come and go.

    Args:
        path: of the folder.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = pathlib.Path(path)

    def versions(self) -> dict[int, pathlib.Path]:
        """{version: its folder} of all folders that have a saved_model.pb, or that do not let anyone see.

        Raises:
            OSError: the folder cannot be read.
        """
        names = sorted(name for name in os.listdir(self.path) if _VERSION.fullmatch(name))
        # 1 comes after 01, and is the one that counts.
        return {int(name): self.path / name for name in names if _may_exist(self.path / name / _MODEL)}


def stamp(folder: pathlib.Path) -> int:
    """What changes whenever a file in a version's folder does, or whatever else is there; never raises OSError."""
    found: list[object] = [file_stamp(folder)]
    for path in _walk(folder):
        found.append((os.fspath(path), file_stamp(path)))
    return hash(tuple(found))


def require_files(folder: pathlib.Path) -> None:
    """ValueError unless there is nothing but files and folders: whoever opens a pipe waits for ever."""
    for path in _walk(folder):
        with contextlib.suppress(OSError):  # a link to nowhere is for the loader to miss
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise ValueError(f"{path.name} is neither a file nor a folder")


def _walk(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(pathlib.Path(where, name) for where, folders, files in os.walk(folder) for name in (*folders, *files))


def _may_exist(path: pathlib.Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a version that cannot be read is one that fails
        return True
