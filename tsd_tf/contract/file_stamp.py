"""Whether a file is still the one that was read."""

import os


def file_stamp(path: str | os.PathLike) -> tuple[int, ...] | None:
    """What changes whenever a file is replaced, written or opened to others: compare it with an earlier one.

    Taken before the file is read, so that what is written in between is noticed the next time. Links are followed:
    Kubernetes replaces a secret's files by turning a link around.

    Returns:
        Its number, size and times of change; None if there is no such file, or it may not be looked at.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
