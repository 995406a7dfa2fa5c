"""What every way to ask a server has in common."""

import abc
import re
import ssl
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from tsd_tf.client import proxies, tls_problem
from tsd_tf.client.answer import Answer
from tsd_tf.client.credentials import Credentials
from tsd_tf.client.errors import LateError, UnansweredError, UnavailableError, UnknownSignatureError
from tsd_tf.client.patience import Patience
from tsd_tf.client.retries import Retries, seconds_of
from tsd_tf.client.served_model import ServedModel
from tsd_tf.client.server_address import ServerAddress
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.text import printable

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_LONGEST_TEXT = 500  # characters of a server's that are shown
# TensorFlow Serving's words by gRPC (FAILED_PRECONDITION) and by REST (400).
_UNKNOWN_SIGNATURE = re.compile(r'Serving signature (key|name:) "\w*" not found')
_NO_ANSWER = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, MemoryError)


class Connection(abc.ABC):
    """Base of the connections to a TensorFlow Serving server, or to a gateway. Threads may share one.

    Args:
        server: its address; see the subclasses.
        model_name: the model's name there.
        timeout: seconds that one attempt may take, to the last byte of its answer.
        retries: None for the default.
        credentials: None for none, and the system's authorities.
        note: is called with a line when the server is waited for, and when it answers again.

    Attributes:
        schemes: that addresses may begin with.
        tells_versions: whether answers say which version of the model they are of.

    Raises:
        UserError: `server` is no such address; or a token would leave this machine without encryption, or
            certificates are given for a connection without.
    """

    schemes: ClassVar[tuple[str, ...]]
    tells_versions: ClassVar[bool]

    def __init__(
        self,
        server: str,
        model_name: str = signatures.MODEL_NAME,
        timeout: float = 30.0,
        retries: Retries | None = None,
        credentials: Credentials | None = None,
        note: Callable[[str], Any] = warnings.warn,
    ) -> None:
        self.server = server
        self._model_name, self._timeout = model_name, timeout
        self._address = ServerAddress.parse(server)
        self._patience = Patience(server, retries or Retries(), note)
        if self._address.scheme not in self.schemes:
            raise UserError(
                f"`server` of a {type(self).__name__} must begin with {' or '.join(f'{s}://' for s in self.schemes)}. "
                f"Received: server={server}"
            )
        self._credentials = credentials or Credentials()
        self._problem: tls_problem.TlsProblem | None = None
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

    def classify(self, signature: str, inputs: Mapping[str, np.ndarray], since: float | None = None) -> Answer:
        """Asks for one clip, again and again while the server is away or busy.

        Args:
            signature, inputs: the signature to call, and its inputs by name, each a batch of one.
            since: when the clip came up, of time.monotonic: the waiting counts from then; None for now.

        Raises:
            UnknownSignatureError: the server does not know the signature.
            UnansweredError: this clip has no answer: there is no server, it is busy for too long, does not answer in
                time, fails at it, or answers with something else.
            UserError: the server refuses what all clips have in common.
        """
        request = self._request(signature, inputs)
        response = self._patience.run(lambda: self._send(request), since)
        try:
            return self._answer(response)
        except _NO_ANSWER as error:
            raise UnansweredError(self._no_answer(str(error))) from error

    def describe(self, since: float | None = None) -> ServedModel:
        """What the server tells of its model: nothing, if it does not tell, or refuses to.

        Args:
            since: see `classify`.

        Raises:
            UnansweredError: see `classify`.
        """
        try:
            response = self._patience.run(self._send_description, since)
        except UnansweredError:
            raise
        except UserError:
            return ServedModel()
        try:
            return self._described(response)
        except _NO_ANSWER:
            return ServedModel()

    @property
    def num_retries(self) -> int:
        """How often something was sent again."""
        return self._patience.num_retries

    def close(self) -> None:
        """Ends the connection; whatever is under way is given up at once."""
        self._patience.end()
        self._disconnect()

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Gives up what is under way."""

    @abc.abstractmethod
    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Any:
        """What `_send` takes."""

    @abc.abstractmethod
    def _send(self, request: Any) -> Any:
        """One attempt; UnavailableError if another one may succeed."""

    @abc.abstractmethod
    def _send_description(self) -> Any:
        """One attempt to ask for the model's metadata."""

    @abc.abstractmethod
    def _answer(self, response: Any) -> Answer:
        """What `_send` returned, in our words; one of _NO_ANSWER, whose text says what it is, if it is no answer."""

    @abc.abstractmethod
    def _described(self, response: Any) -> ServedModel:
        """What `_send_description` returned, in our words; one of _NO_ANSWER if it is something else."""

    # The errors of one attempt. A server's text might repeat what it was sent: no token in a message.

    def _refused(self, reason: str, costs_all: bool) -> UserError:
        """A refusal of what all clips have in common, or of one clip."""
        kind = UserError if costs_all else UnansweredError
        if _UNKNOWN_SIGNATURE.search(reason):
            kind = UnknownSignatureError
        return kind(f"{self.server} refused the request: {self._shown(reason)}")

    def _unauthenticated(self, reason: str) -> UserError:
        if self._credentials.token is None:
            reason = f"{self._shown(reason)}; it wants a token: `token_file` names the file that holds it"
        else:
            reason = f"{self._shown(reason)}; the token in `token_file` is wrong, or no longer valid"
        return UserError(f"{self.server} refused the request: {reason}")

    def _no_answer(self, what: str) -> str:
        shown = self._shown(what) or "nothing"
        return (
            f"{self.server} answers with something else than probabilities and classes: {shown}"
            f"{proxies.hint(self._address)}"
        )

    def _busy(self, reason: str, retry_after: str | None) -> UnavailableError:
        return UnavailableError(self._shown(reason), False, seconds_of(retry_after))

    def _unavailable(self, reason: str, retry_after: str | None) -> UnavailableError:
        """What answers says that the server is away; if it says for how long, it is rather busy."""
        seconds = seconds_of(retry_after)
        return UnavailableError(f"{self._shown(reason)}{proxies.hint(self._address)}", seconds is None, seconds)

    def _unreachable(self, reason: str) -> Exception:
        """Nothing answers, or what answers does not speak as it should."""
        self._patience.check()
        hint = proxies.hint(self._address)
        if not self._patience.is_waiting:  # once is enough: it connects as well, and past any proxy
            address = self._address
            self._problem = None if hint else tls_problem.find(address.host, address.port, self._ssl_context)
        problem = self._problem
        if problem and problem.is_certain:
            return UserError(f"no connection to {self.server}: {problem.reason}")
        reason = self._shown(f"{reason}; {problem.reason}" if problem else reason)
        return UnavailableError(f"{reason}{hint}", True)

    def _late(self) -> LateError:
        self._patience.check()
        return LateError(
            f"{self.server} did not answer within {self._timeout:g} s; a larger `timeout` allows more"
            f"{proxies.hint(self._address)}"
        )

    def _shown(self, text: str) -> str:
        text = text.replace(self._credentials.token, "...") if self._credentials.token else text
        return printable(" ".join(text.split()), _LONGEST_TEXT)
