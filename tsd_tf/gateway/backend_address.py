"""Where a backend listens."""

import re
from typing import NamedTuple

from tsd_tf.contract.errors import UserError

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+):(\d+)(?::(\d+))?")
_REST_PORT = 8501


class BackendAddress(NamedTuple):
    """A host with the ports of gRPC and REST.

    Attributes:
        host: a name or an address, one of IPv6 in brackets.
        port, rest_port: 1 to 65535.
    """

    host: str
    port: int
    rest_port: int

    @classmethod
    def parse(cls, text: str) -> "BackendAddress":
        """The address that `host:port[:rest_port]` names; REST is on 8501 unless it says otherwise.

        Raises:
            UserError: it is not one.
        """
        match = _ADDRESS.fullmatch(text.strip())
        ports = [int(port) for port in (match[2], match[3] or _REST_PORT)] if match else [0]
        if match is None or not all(1 <= port <= 65535 for port in ports):
            raise UserError(
                f"`backends` must be host:port[:rest_port],..., such as 10.0.0.5:8500:8501. Received: backends={text}"
            )
        return cls(match[1], *ports)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}:{self.rest_port}"
