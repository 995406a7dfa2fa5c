"""Limits of a process that decodes what comes from outside."""

import contextlib

MAX_PIXELS = 1 << 26  # of a picture: 8192 x 8192; the largest televisions show half of it
WIDEST_ASPECT = 16  # of a picture: the long side over the short one


def limit_memory(num_bytes: int) -> None:
    """Makes this process's allocations fail beyond so many bytes of address space, where the system can do that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (num_bytes, hard))
