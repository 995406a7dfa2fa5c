"""Where a server is, and how it is spoken to."""

import dataclasses
import ipaddress
import urllib.parse

from tsd_tf.contract.errors import UserError

_PORTS = {"grpc": None, "grpcs": None, "http": 80, "https": 443}
_ENCRYPTED = ("grpcs", "https")
_UNIX = "unix:/"


@dataclasses.dataclass(frozen=True)
class ServerAddress:
    """A server's address.

    Attributes:
        scheme: "grpc", "grpcs", "http" or "https".
        host: a name or an IP address, without brackets; or "unix:/path", a socket in a folder of this machine.
        port: of TCP; 0 for such a socket.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, server: str) -> "ServerAddress":
        """Reads "host:port", "grpc://host:port", "grpcs://host:port", "http://host[:port]" or "https://host[:port]".

        And "unix:/path", where gRPC is spoken without TLS.

        Raises:
            UserError: `server` is none of these.
        """
        if server.startswith(_UNIX):
            return cls("grpc", server, 0)
        try:
            parts = urllib.parse.urlsplit(server if "://" in server else f"grpc://{server}")
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            parts, port = urllib.parse.urlsplit(""), None
        more = parts.username or parts.password or parts.query or parts.fragment
        if parts.scheme not in ("http", "https"):  # which may be in a folder of a proxy's
            more = more or parts.path.strip("/")
        if parts.scheme not in _PORTS or not parts.hostname or not port or more:
            raise UserError(
                "`server` must be host:port, grpc://host:port, grpcs://host:port (with TLS), http://host:port, "
                f"https://host:port or unix:/path. Received: server={server}"
            )
        return cls(parts.scheme, parts.hostname, port)

    @property
    def is_encrypted(self) -> bool:
        """Whether what is sent is encrypted, and the server shows a certificate."""
        return self.scheme in _ENCRYPTED

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.startswith(_UNIX)

    @property
    def host_and_port(self) -> str:
        """As gRPC and URLs write it."""
        if self.host.startswith(_UNIX):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
