"""Names of files for libraries that want them in UTF-8."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def utf8_name(path: str | os.PathLike) -> Iterator[str]:
    """The name of a file, or of a link to it with the same ending where its own is not UTF-8.

    OpenCV is taken down by such names, and PyAV refuses them.

    Yields:
        A name that is good until the context ends; who has opened the file then may read on.
    """
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            suffix = os.path.splitext(name)[1]
            link = os.path.join(folder, f"file{suffix}" if suffix.isascii() else "file")
            os.symlink(os.path.abspath(name), link)
            yield link
    else:
        yield name
