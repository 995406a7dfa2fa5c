"""What a disk that is full or read-only does to a run."""

import contextlib
import errno

from tsd_tf.contract.errors import UserError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


@contextlib.contextmanager
def disk_errors(work_directory):
    """Turns what a full or read-only disk does to the files of a run into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NUMBERS:
            raise
        raise UserError(
            f"cannot write to the work directory {work_directory.path}: {error.strerror}. The same command goes on "
            "from the last checkpoint"
        ) from error
