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

_MAX_ERROR_BYTES = 2000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection would be followed with the token, to wherever it leads."""

    def redirect_request(self, *args: Any) -> None:
        return None


class RestConnection(Connection):
    """The REST interface of a server, which does not tell the version of the model.

    Args:
        server: "http://host:port", or "https://host:port" with TLS.
        model_name, timeout, retries, credentials: see Connection.
    """

    schemes = ("http", "https")

    def __init__(self, server: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        handlers: list[Any] = [_NoRedirect()]
        if self._ssl_context:
            handlers.append(urllib.request.HTTPSHandler(context=self._ssl_context))
        if self._address.is_loopback:
            # A proxy would be another machine, which could read the token.
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        token = self._credentials.token
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def close(self) -> None:
        """Nothing stays open between two requests."""

    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> urllib.request.Request:
        values = {name: _values(tensor.tolist()) for name, tensor in inputs.items()}
        url = f"{self._server.rstrip('/')}/v1/models/{urllib.parse.quote(self._model_name, safe='')}:predict"
        body = json.dumps({"signature_name": signature, "inputs": values}).encode()
        return urllib.request.Request(url, body, self._headers)

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            try:
                with self._opener.open(request, timeout=self._timeout) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                raise self._of_status(error, _text(error.read(_MAX_ERROR_BYTES))) from error
        except TimeoutError as error:
            raise self._late() from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._refused("its answer is no JSON") from error
        except (OSError, http.client.HTTPException) as error:  # OSError: urllib's, ssl's and the sockets' own
            raise self._unreachable(str(getattr(error, "reason", error))) from error

    def _of_status(self, error: urllib.error.HTTPError, text: str) -> Exception:
        reason = f"HTTP {error.code}: {text or error.reason}"
        if error.code == 503:
            return UnavailableError(self._without_token(text))
        if error.code == 401:
            return self._unauthenticated(reason)
        if error.code == 429:
            return self._busy(reason, error.headers.get("Retry-After"))
        return self._refused(reason)

    def _answer(self, response: Any) -> Answer:
        outputs = response["outputs"]
        return Answer(
            probabilities=np.array(outputs[signatures.PROBABILITIES][0], np.float32),
            classes=tuple(outputs[signatures.CLASSES][0]),
            version=None,
        )


def _text(body: bytes) -> str:
    """What an error says: TensorFlow Serving's is in JSON, a proxy's may be anything."""
    text = body.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text[:500]


def _values(value: Any) -> Any:
    """A tensor's nested lists in TensorFlow Serving's JSON."""
    if isinstance(value, list):
        return [_values(entry) for entry in value] if value and isinstance(value[0], list | bytes) else value
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
