"""What a client shows to a server, and whom it believes."""

import dataclasses
import os
import pathlib
import ssl

import grpc

from tsd_tf.contract.errors import UserError


@dataclasses.dataclass(frozen=True)
class Credentials:
    """For encrypted connections, and for servers that want to know who asks.

    Attributes:
        ca: PEM file of the authorities whose certificates are believed; None for the system's.
        cert, key: PEM files of the client's own certificate and its key, which is not encrypted; None for none.
        token: is sent with every request; None for none. It is in no message and no repr.

    Raises:
        UserError: `cert` without `key` or the reverse, or a file that holds something else.
        OSError: a file cannot be read.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    token: str | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise UserError(
                f"`cert` and `key` belong together: name both or neither. Received: cert={self.cert}, key={self.key}"
            )
        if self.is_of_encryption:
            self.ssl_context()

    @classmethod
    def read(
        cls, ca: str | None = None, cert: str | None = None, key: str | None = None, token_file: str | None = None
    ) -> "Credentials":
        """Credentials whose token is the first line of a file.

        Raises:
            UserError, OSError: see Credentials; or the first line of `token_file` is no token.
        """
        if token_file is None:
            return cls(ca, cert, key)
        first, *_ = pathlib.Path(token_file).read_bytes().splitlines() or [b""]
        token = first.decode("ascii", "replace").strip()
        if not token or not all("!" <= character <= "~" for character in token):
            raise UserError(
                "expected a token in the first line of `token_file`, printable ASCII without spaces. "
                f"Received: token_file={token_file}"
            )
        return cls(ca, cert, key, token)

    @property
    def is_of_encryption(self) -> bool:
        """Whether anything in it makes sense on encrypted connections only."""
        return self.ca is not None or self.cert is not None

    def ssl_context(self) -> ssl.SSLContext:
        """For Python's ssl; checks the server's certificate and name."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError as error:
            raise UserError(f"expected certificates in PEM in the file `ca`. Received: ca={self.ca}") from error
        if self.cert is not None:
            try:
                # Without a password OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.cert, self.key, password="")
            except ssl.SSLError as error:
                raise UserError(
                    "expected a certificate in PEM in the file `cert`, and its key, not encrypted, in the file `key`. "
                    f"Received: cert={self.cert}, key={self.key}"
                ) from error
        return context

    def grpc_credentials(self) -> grpc.ChannelCredentials:
        """The same for gRPC."""
        return grpc.ssl_channel_credentials(
            root_certificates=pathlib.Path(self.ca).read_bytes() if self.ca else _system_authorities(),
            private_key=pathlib.Path(self.key).read_bytes() if self.key else None,
            certificate_chain=pathlib.Path(self.cert).read_bytes() if self.cert else None,
        )


def _system_authorities() -> bytes | None:
    """The system's authorities in PEM, where Python's ssl finds them; None for the list that gRPC brings along."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return pathlib.Path(paths.cafile).read_bytes()
    if paths.capath:
        files = [os.path.join(paths.capath, name) for name in sorted(os.listdir(paths.capath)) if name.endswith(".0")]
        return b"\n".join(pathlib.Path(file).read_bytes() for file in files) or None
    return None
