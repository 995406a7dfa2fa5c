"""Asks a TensorFlow Serving server by REST: for networks that let nothing but HTTP through."""

import base64
import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsd_tf.client import proxies
from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import MAX_ANSWER_BYTES, Connection
from tsd_tf.client.errors import UnansweredError
from tsd_tf.client.http_exchange import HttpAnswer, HttpExchange, build_opener
from tsd_tf.client.served_model import ServedModel
from tsd_tf.contract import model_metadata, signatures
from tsd_tf.contract.errors import UserError

_MAX_ERROR_BYTES = 2000
_SHOWN_BYTES = 60
_AWAY = (502, 503, 504)
_BUSY = (429, 499)  # 499: TensorFlow Serving's CANCELLED
# Of what all clips have in common: asking with another one is of no use.
_COSTS_ALL = (403, 404, 405, 407, 501)


class RestConnection(Connection):
    """The REST interface of a server, whose answers do not tell the version of the model.

    Every request has a connection of its own.

    Args:
        server: "http://host:port", or "https://host:port" with TLS.
        model_name, timeout, retries, credentials, note: see Connection.
    """

    schemes = ("http", "https")
    tells_versions = False

    def __init__(self, server: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        # A proxy would be another machine, which could read the token.
        self._opener = build_opener(self._ssl_context, past_proxies=self._address.is_loopback)
        self._url = f"{server.rstrip('/')}/v1/models/{urllib.parse.quote(self._model_name, safe='')}"
        token = self._credentials.token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._under_way: set[HttpExchange] = set()

    def _disconnect(self) -> None:
        for exchange in list(self._under_way):
            exchange.leave()

    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
        values = {name: _values(tensor.tolist()) for name, tensor in inputs.items()}
        return json.dumps({"signature_name": signature, "inputs": values}).encode()

    def _send(self, request: bytes) -> bytes:
        return self._exchange(f"{self._url}:predict", request)

    def _send_description(self) -> bytes:
        return self._exchange(f"{self._url}/metadata", None)

    def _exchange(self, url: str, body: bytes | None) -> bytes:
        headers = self._headers if body is None else {"Content-Type": "application/json", **self._headers}
        # One for each attempt: urllib's way through a proxy changes it.
        request = urllib.request.Request(url, body, headers)
        exchange = HttpExchange(self._opener, request, self._timeout, MAX_ANSWER_BYTES + 1)
        self._under_way.add(exchange)
        try:
            self._patience.check()  # after which `close` finds it
            answer = exchange.run()
        except TimeoutError as error:
            raise self._late() from error
        except (http.client.BadStatusLine, http.client.LineTooLong, http.client.UnknownProtocol) as error:
            if isinstance(error, http.client.RemoteDisconnected):
                raise self._unreachable(str(error)) from error
            raise self._no_http() from error
        except (OSError, http.client.HTTPException) as error:  # OSError: urllib's, ssl's and the sockets' own
            if isinstance(reason := getattr(error, "reason", error), TimeoutError):
                raise self._late() from error
            raise self._unreachable(str(reason)) from error
        finally:
            self._under_way.discard(exchange)
        if answer.status == 200 and len(answer.body) <= MAX_ANSWER_BYTES:
            return answer.body
        raise self._of_status(answer)

    def _no_http(self) -> Exception:
        error = self._unreachable("")  # TLS may be the reason
        if isinstance(error, UserError):
            return error
        hint = proxies.hint(self._address)
        return UserError(f"no connection to {self.server}: it does not speak HTTP; `server` of gRPC is host:port{hint}")

    def _of_status(self, answer: HttpAnswer) -> Exception:
        status = answer.status
        if status == 200:
            return UnansweredError(self._no_answer(f"more than {MAX_ANSWER_BYTES} bytes"))
        text, is_of_a_server = _text(answer.body[:_MAX_ERROR_BYTES])
        reason = f"HTTP {status}: {text or answer.reason}"
        retry_after = answer.headers.get("Retry-After")
        if status in _AWAY:
            return self._unavailable(reason, retry_after)
        if status in _BUSY:
            return self._busy(reason, retry_after)
        if status == 401:
            return self._unauthenticated(reason)
        if 300 <= status < 400:
            reason = f"HTTP {status}: it redirects to {answer.headers.get('Location', 'nowhere')}"
        hint = "" if is_of_a_server else proxies.hint(self._address)
        error = self._refused(reason, status in _COSTS_ALL or 300 <= status < 400)
        return type(error)(f"{error}{hint}")

    def _answer(self, response: bytes) -> Answer:
        document = _document(response)
        outputs = document.get("outputs") if isinstance(document, dict) else None
        if not isinstance(outputs, dict) or not {signatures.PROBABILITIES, signatures.CLASSES} <= set(outputs):
            raise ValueError(f"JSON without these outputs: {response[:_SHOWN_BYTES].decode('utf-8', 'replace')}")
        try:
            probabilities = np.array(outputs[signatures.PROBABILITIES])
        except ValueError as error:
            raise ValueError(f"{signatures.PROBABILITIES} of rows of different lengths") from error
        return Answer.of(probabilities, outputs[signatures.CLASSES], None)

    def _described(self, response: bytes) -> ServedModel:
        document = _document(response)
        found = model_metadata.signatures_of_json(document)
        return ServedModel.of(found, int(document["model_spec"].get("version") or 0))


def _document(body: bytes) -> Any:
    if not body.strip():
        raise ValueError("an empty body")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {body[:_SHOWN_BYTES].decode('utf-8', 'replace')}") from error


def _text(body: bytes) -> tuple[str, bool]:
    """What an error says, and whether it says so as TensorFlow Serving does: a proxy's may be anything."""
    text = body.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(text)["error"]), True
    except (ValueError, KeyError, TypeError, RecursionError):
        return text, False


def _values(value: Any) -> Any:
    """A tensor's nested lists in TensorFlow Serving's JSON."""
    if isinstance(value, list):
        return [_values(entry) for entry in value] if value and isinstance(value[0], list | bytes) else value
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
