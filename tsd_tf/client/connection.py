"""What every way to ask a server has in common."""

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.retries import Retries, UnavailableError
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError


class Connection(abc.ABC):
    """Base of the connections to a TensorFlow Serving server.

    Args:
        server: its address; see the subclasses.
        model_name: the model's name there.
        timeout: seconds that one attempt may take.
        retries: None for the default.
    """

    def __init__(
        self,
        server: str,
        model_name: str = signatures.MODEL_NAME,
        timeout: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        self._server, self._model_name, self._timeout = server, model_name, timeout
        self._retries = retries or Retries()

    def classify(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
        """Asks for one clip.

        Args:
            signature, inputs: the signature to call, and its inputs by name, each a batch of one.

        Raises:
            UserError: the server cannot be reached, refuses the request, or does not answer in time.
        """
        request = self._request(signature, inputs)
        try:
            return self._answer(self._retries.run(lambda: self._send(request)))
        except UnavailableError as error:
            raise UserError(
                f"no server at {self._server} (asked {self._retries.attempts} times): {error}; "
                "python -m tsd_tf.serving starts one, `server` names another"
            ) from error

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

    def _refused(self, reason: str) -> UserError:
        return UserError(f"{self._server} refused the request: {reason}")

    def _late(self) -> UserError:
        return UserError(f"{self._server} did not answer within {self._timeout:g} s; a larger `timeout` allows more")
