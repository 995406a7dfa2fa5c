"""Where the hash of a name puts it, on every machine."""

import hashlib


def place_of(name: str) -> float:
    """A name's place among all that there might be, from 0 to 1: uniform, and as good as random."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
