"""Whoever is at the other end of a connection."""

import functools
import ipaddress
import re
import urllib.parse
from typing import Any, NamedTuple

_GRPC = re.compile(r"ipv[46]:(.*):(\d+)")  # the address of IPv6 in brackets, which are percent-encoded
_NETWORK = 64  # bits of an address of IPv6 that tell one customer of a provider from another


class Peer(NamedTuple):
    """An end of a connection: enough to find it again, and to bound what one address can do.

    Attributes:
        address: what counts as one: an address of IPv4, or a network of IPv6; "" where there is none, as for a socket
            in the file system.
        host: the address in full; "" as above.
        port: 0 as above.
    """

    address: str
    host: str
    port: int

    @classmethod
    def of_socket(cls, name: Any) -> "Peer":
        """From what `socket.getpeername` returns."""
        if not isinstance(name, tuple) or len(name) < 2:
            return cls("", "", 0)
        return cls(*_names(str(name[0])), int(name[1]))

    @classmethod
    def of_grpc(cls, name: str) -> "Peer":
        """From what `context.peer()` returns."""
        match = _GRPC.fullmatch(urllib.parse.unquote(name))
        if not match:
            return cls("", "", 0)
        return cls.of_socket((match[1].strip("[]"), match[2]))


@functools.lru_cache(1024)
def _names(text: str) -> tuple[str, str]:
    """(what counts as one address, the host): IPv4 also where it is written as IPv6, and no scope."""
    if ":" not in text:
        return text, text
    try:
        host = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return text, text
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped), str(host.ipv4_mapped)
    return str(ipaddress.ip_network((host, _NETWORK), strict=False)), str(host)
