"""Files that are there whole or not at all."""

import contextlib
import os
import uuid


@contextlib.contextmanager
def whole_file(path):
    """A context: a binary file to write, which takes its name when the context ends without an error.

    Several processes, also on several machines, may write the same path at once: the last one's content stays.

    Args:
        path: pathlib.Path. Until it is whole, the file is called `.<name>.<process id>.<random>.partial`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.partial")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write(path, content):
    """Writes bytes as a whole file."""
    with whole_file(path) as file:
        file.write(content)


def read(path):
    """The bytes of a file, or None where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
