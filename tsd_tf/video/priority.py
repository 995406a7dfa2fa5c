"""Keeps encoders from giving themselves real-time priority, before which everything else on a machine has to wait."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

from tsd_tf.contract.errors import UserError

_CAPABILITY_VERSION = 0x20080522
_CAP_SYS_NICE = 1 << 23  # in the first of two words


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def without_real_time() -> Iterator[None]:
    """In this block, neither the calling thread nor a thread that it starts can take a real-time priority.

    On Linux. The calling thread lays down CAP_SYS_NICE, which root has, and takes it up again at the end; threads that
    it starts in the block stay without. RLIMIT_RTPRIO, which allows the same to others, becomes 0 for the process.

    Raises:
        UserError: Linux does not allow it.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_RTPRIO)
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, hard))
    sets = (_Sets * 2)()
    _call("capget", sets)
    had = sets[0].effective & _CAP_SYS_NICE
    if had:
        sets[0].effective &= ~_CAP_SYS_NICE
        _call("capset", sets)
    try:
        yield
    finally:
        if had:
            sets[0].effective |= _CAP_SYS_NICE
            _call("capset", sets)


def _call(name: str, sets: ctypes.Array) -> None:
    """One of libc's functions on the capabilities of the calling thread."""
    header = _Header(_CAPABILITY_VERSION, 0)
    if getattr(ctypes.CDLL(None, use_errno=True), name)(ctypes.byref(header), sets):
        reason = os.strerror(ctypes.get_errno())
        raise UserError(
            f"cannot keep an encoder from taking real-time priority ({name}: {reason}); use another `codec`"
        )
