"""What every way to ask a server has in common."""

import abc
import re
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tsd_tf.client import tls_problem
from tsd_tf.client.answer import Answer
from tsd_tf.client.credentials import Credentials
from tsd_tf.client.retries import Retries, UnavailableError
from tsd_tf.client.server_address import ServerAddress
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError

_LONGEST_WAIT = 10.0  # seconds that a busy server may ask for
# TensorFlow Serving's words by gRPC (FAILED_PRECONDITION) and by REST (400).
_UNKNOWN_SIGNATURE = re.compile(r'Serving signature (key|name:) "\w*" not found')


class UnknownSignatureError(UserError):
    """The server's model has no signature of this name; the message says which server."""


class Connection(abc.ABC):
    """Base of the connections to a TensorFlow Serving server, or to a gateway.

    Args:
        server: its address; see the subclasses.
        model_name: the model's name there.
        timeout: seconds that one attempt may take.
        retries: None for the default.
        credentials: None for none, and the system's authorities.

    Attributes:
        schemes: that addresses may begin with.

    Raises:
        UserError: `server` is no such address; or a token would leave this machine without encryption, or
            certificates are given for a connection without.
    """

    schemes: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        server: str,
        model_name: str = signatures.MODEL_NAME,
        timeout: float = 30.0,
        retries: Retries | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._server, self._model_name, self._timeout = server, model_name, timeout
        self._retries = retries or Retries()
        self._address = ServerAddress.parse(server)
        if self._address.scheme not in self.schemes:
            raise UserError(
                f"`server` of a {type(self).__name__} must begin with {' or '.join(f'{s}://' for s in self.schemes)}. "
                f"Received: server={server}"
            )
        self._credentials = credentials or Credentials()
        self._ssl_context: ssl.SSLContext | None = None
        if self._address.is_encrypted:
            self._ssl_context = self._credentials.ssl_context()
            self._ssl_context.set_alpn_protocols(["h2" if self._address.scheme == "grpcs" else "http/1.1"])
        elif self._credentials.is_of_encryption:
            raise UserError(
                f"`ca`, `cert` and `key` are for a `server` with TLS: grpcs:// or https://. Received: server={server}"
            )
        elif self._credentials.token and not self._address.is_loopback:
            raise UserError(
                "the token of `token_file` is not sent unencrypted to another machine: `server` must begin with "
                f"grpcs:// or https://. Received: server={server}"
            )

    def classify(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
        """Asks for one clip.

        Args:
            signature, inputs: the signature to call, and its inputs by name, each a batch of one.

        Raises:
            UnknownSignatureError: the server does not know the signature.
            UserError: the server cannot be reached, refuses the request, or does not answer in time.
        """
        request = self._request(signature, inputs)
        try:
            response = self._retries.run(lambda: self._send(request))
        except UnavailableError as error:
            if error.retry_after is not None:
                raise self._refused(f"{error} (asked {self._retries.attempts} times)") from error
            raise UserError(
                f"no server at {self._server} (asked {self._retries.attempts} times): {error}; "
                "python -m tsd_tf.serving starts one, `server` names another"
            ) from error
        try:
            return self._answer(response)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(f"{self._server} answers with something else than probabilities and classes") from error

    @abc.abstractmethod
    def close(self) -> None:
        """Ends the connection."""

    @abc.abstractmethod
    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Any:
        """What `_send` takes."""

    @abc.abstractmethod
    def _send(self, request: Any) -> Any:
        """One attempt; UnavailableError if another one may succeed."""

    @abc.abstractmethod
    def _answer(self, response: Any) -> Answer:
        """What `_send` returned, in our words."""

    # The errors of one attempt. A server's text might repeat what it was sent: no token in a message.

    def _refused(self, reason: str) -> UserError:
        kind = UnknownSignatureError if _UNKNOWN_SIGNATURE.search(reason) else UserError
        return kind(f"{self._server} refused the request: {self._without_token(reason)}")

    def _unauthenticated(self, reason: str) -> UserError:
        if self._credentials.token is None:
            return self._refused(f"{reason}; it wants a token: `token_file` names the file that holds it")
        return self._refused(f"{reason}; the token in `token_file` is wrong, or no longer valid")

    def _busy(self, reason: str, retry_after: str | None) -> Exception:
        """To be asked again if the server says when, and that is soon."""
        try:
            seconds = float(retry_after or "")
        except ValueError:
            return self._refused(reason)
        if not 0 <= seconds <= _LONGEST_WAIT:
            return self._refused(f"{reason}; it asks to come back in {retry_after} s")
        return UnavailableError(self._without_token(reason), seconds)

    def _unreachable(self, reason: str) -> Exception:
        problem = tls_problem.find(self._address.host, self._address.port, self._ssl_context)
        if problem and problem.is_certain:
            return UserError(f"no connection to {self._server}: {problem.reason}")
        return UnavailableError(self._without_token(f"{reason}; {problem.reason}" if problem else reason))

    def _late(self) -> UserError:
        return UserError(f"{self._server} did not answer within {self._timeout:g} s; a larger `timeout` allows more")

    def _without_token(self, text: str) -> str:
        return text.replace(self._credentials.token, "...") if self._credentials.token else text
