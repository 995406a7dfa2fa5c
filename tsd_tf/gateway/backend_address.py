"""Where a backend listens."""

import re
from typing import NamedTuple

from tsd_tf.contract.errors import UserError

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+):(\d+)(?::(\d+))?")
_UNIX = re.compile(r"unix:(/\S+)")
_REST_PORT = 8501


class BackendAddress(NamedTuple):
    """Where to find the two protocols of a server.

    Attributes:
        text: as whoever runs the gateway knows it.
        target: of gRPC.
        url: of REST, without a path.
        rest_socket: the file through which REST goes in place of TCP; None for TCP.
    """

    text: str
    target: str
    url: str
    rest_socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> "BackendAddress":
        """The address that `host:port[:rest_port]` or `unix:/folder` names; see ListenAddress for the latter.

        REST is on 8501 unless the text says otherwise.

        Raises:
            UserError: it is not one.
        """
        if match := _UNIX.fullmatch(text.strip()):
            return cls(match[0], f"{match[0]}/grpc.sock", "http://localhost", f"{match[1]}/rest.sock")
        match = _ADDRESS.fullmatch(text.strip())
        ports = [int(port) for port in (match[2], match[3] or _REST_PORT)] if match else [0]
        if match is None or not all(1 <= port <= 65535 for port in ports):
            raise UserError(
                "`backends` must be host:port[:rest_port],... or unix:/folder,..., such as 10.0.0.5:8500:8501. "
                f"Received: backends={text}"
            )
        host, (port, rest_port) = match[1], ports
        return cls(f"{host}:{port}:{rest_port}", f"{host}:{port}", f"http://{host}:{rest_port}")

    def __str__(self) -> str:
        return self.text
