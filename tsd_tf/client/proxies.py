"""Which proxy a connection goes through, and who said so: people forget that they have set one."""

import ipaddress
import os
import urllib.parse
import urllib.request

from tsd_tf.client.server_address import ServerAddress

# gRPC's, for connections with and without TLS; of these the first one that is set.
_OF_GRPC = ("grpc_proxy", "https_proxy", "http_proxy")
_PAST_GRPC = ("no_grpc_proxy", "no_proxy")


def hint(address: ServerAddress) -> str:
    """What to add to an error of a connection that went through a proxy; "" if it went through none.

    Args:
        address: of the server. Servers on this machine are asked past any proxy.
    """
    if address.is_loopback:
        return ""
    of_scheme = _of_grpc if address.scheme.startswith("grpc") else _of_http
    found = of_scheme(address)
    if found is None:
        return ""
    who, url = found
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"//{url}")
        where = parts.hostname or "?"
        where = f"{where}:{parts.port}" if parts.port else where
    except ValueError:
        where = "?"
    return f"; it was asked through the proxy {where} that {who} names: no_proxy={address.host} goes past it"


def _of_grpc(address: ServerAddress) -> tuple[str, str] | None:
    name = next((name for name in _OF_GRPC if os.environ.get(name)), None)
    if name is None or not os.environ[name].startswith("http://"):  # gRPC passes over others
        return None
    past = next((os.environ[name] for name in _PAST_GRPC if os.environ.get(name)), "")
    if any(_is_for(entry.strip(), address.host) for entry in past.split(",")):
        return None
    return name, os.environ[name]


def _of_http(address: ServerAddress) -> tuple[str, str] | None:
    proxies = urllib.request.getproxies()
    url = proxies.get(address.scheme)
    if not url or urllib.request.proxy_bypass(address.host):
        return None
    names = (f"{address.scheme}_proxy", f"{address.scheme}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), "the system"), url


def _is_for(entry: str, host: str) -> bool:
    """Whether an entry of no_proxy means a host: the end of its name, or a network."""
    if not entry:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return entry == "*" or host.lower().endswith(entry.lower())
