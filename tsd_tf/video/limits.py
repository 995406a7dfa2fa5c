"""Limits of what comes from outside, and of a process that decodes it."""

import contextlib
import ctypes
import pathlib

from tsd_tf.contract.errors import UnreadableVideoError

MAX_PIXELS = 1 << 25  # of a picture; the largest televisions show 7680 x 4320
SHARE_OF_WHOLE = 0.9  # of a promised length; a video of which less can be read is cut off
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_KEPT = 1 << 25  # bytes; glibc's own bound of what it learns by itself
_WIDEST_ASPECT = 16  # of a picture: the long side over the short one


def check_aspect(width: int, height: int) -> None:
    """UnreadableVideoError for a picture that is more than 16 times as long as wide."""
    if max(height, width) > _WIDEST_ASPECT * min(height, width):
        raise UnreadableVideoError(
            f"pictures of {width} x {height} pixels: more than {_WIDEST_ASPECT} times as long as wide"
        )


def keep_freed_memory() -> None:
    """Lets a process that decodes or serves keep what it frees, where the C library is glibc.

    Otherwise the memory of each picture or message goes back to the system and comes again, page by page, for the next
    one.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            library.mallopt(parameter, _LARGEST_KEPT)


def limit_memory(num_bytes: int) -> None:
    """Makes this process's allocations fail beyond so many bytes more than it has now, where the system can do that.

    What counts is what it can write to: libraries' code and addresses that are only reserved, which grow with the
    number of cores, do not.
    """
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        status = pathlib.Path("/proc/self/status").read_text()
        taken = int(status.partition("VmData:")[2].split()[0]) << 10
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (taken + num_bytes, hard))
