"""How many files and sockets this process may have open."""

import contextlib

_OTHERS = 128  # files, sockets and pipes that are no client's connections


def room_for_connections(wanted: int) -> int:
    """Raises the process's own limit as far as need be and may be.

    Args:
        wanted: connections at the same time.

    Returns:
        The connections that there is room for.
    """
    try:
        import resource
    except ImportError:  # not on this system
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    return max(1, soft - _OTHERS)
