"""What libraries write to stderr behind Python's back."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

from tsd_tf.contract.errors import UserError

_LOCK = threading.RLock()
# LiteRT tells of its delegate, TensorFlow's converter of its options and of what it ignores, Abseil of information and
# warnings before anyone has told it not to, pybullet of when it was built.
_CHATTER = re.compile(
    rb"INFO: |VERBOSE: |[IW]\d{4} [\d:.]+ +\d+ |WARNING: All log messages before absl::InitializeLog"
    rb"|fully_quantize: \d|pybullet build time: "
)


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """A context in which the chatter of native libraries does not reach stderr.

    What is written to the file descriptor of stderr waits until the context ends. Then every line is written that is
    not known as chatter. After an exception every line is written, as one of them may say why; after a UserError,
    which says why itself, none. Lines of other threads wait, too.
    """
    if sys.stderr:
        sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_LOCK)
        try:
            caught = stack.enter_context(tempfile.TemporaryFile())
            stderr = os.dup(2)
        except OSError:  # no room for a file, or no stderr: nothing that is worth an end
            yield
            return
        stack.callback(os.close, stderr)
        os.dup2(caught.fileno(), 2)
        is_shown = _anything
        try:
            yield
            is_shown = _no_chatter
        except UserError:
            is_shown = _nothing
            raise
        finally:
            if sys.stderr:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            caught.seek(0)
            for line in filter(is_shown, caught):
                with contextlib.suppress(OSError):  # nobody reads it
                    os.write(2, line)


def _anything(line: bytes) -> bool:
    return True


def _nothing(line: bytes) -> bool:
    return False


def _no_chatter(line: bytes) -> bool:
    return _CHATTER.match(line) is None
