"""Asks a TensorFlow Serving server by REST: for networks that let nothing but HTTP through."""

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import Connection
from tsd_tf.client.retries import UnavailableError
from tsd_tf.contract import signatures


class RestConnection(Connection):
    """The REST interface of a server, which does not tell the version of the model.

    Args:
        server: "http://host:port".
        model_name, timeout, retries: see Connection.
    """

    def close(self) -> None:
        """Nothing stays open between two requests."""

    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> urllib.request.Request:
        values = {name: _values(tensor.tolist()) for name, tensor in inputs.items()}
        url = f"{self._server.rstrip('/')}/v1/models/{urllib.parse.quote(self._model_name, safe='')}:predict"
        body = json.dumps({"signature_name": signature, "inputs": values}).encode()
        return urllib.request.Request(url, body, {"Content-Type": "application/json"})

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace").strip()
            if error.code == 503:
                raise UnavailableError(text) from error
            raise self._refused(f"HTTP {error.code}: {text[:500]}") from error
        except TimeoutError as error:
            raise self._late() from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
            raise UnavailableError(str(getattr(error, "reason", error))) from error

    def _answer(self, response: Any) -> Answer:
        outputs = response["outputs"]
        return Answer(
            probabilities=np.array(outputs[signatures.PROBABILITIES][0], np.float32),
            classes=tuple(outputs[signatures.CLASSES][0]),
            version=None,
        )


def _values(value: Any) -> Any:
    """A tensor's nested lists in TensorFlow Serving's JSON."""
    if isinstance(value, list):
        return [_values(entry) for entry in value] if value and isinstance(value[0], list | bytes) else value
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
