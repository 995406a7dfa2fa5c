"""Asks a TensorFlow Serving server by REST: for networks that let nothing but HTTP through."""

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.retries import Retries, UnavailableError
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError


class RestConnection:
    """The REST interface of a server; the same interface as GrpcConnection.

    Args:
        server: "http://host:port".
        model_name, timeout, retries: as of GrpcConnection.
    """

    def __init__(self, server, model_name=signatures.MODEL_NAME, timeout=30.0, retries=None):
        self._server, self._timeout, self._retries = server.rstrip("/"), timeout, retries or Retries()
        self._url = f"{self._server}/v1/models/{urllib.parse.quote(model_name, safe='')}:predict"

    def classify(self, signature, name, tensor):
        """As GrpcConnection.classify; `Answer.version` is None."""
        if tensor.dtype == object:
            value = [[{"b64": base64.b64encode(picture).decode()} for picture in clip] for clip in tensor]
        else:
            value = tensor.tolist()
        body = json.dumps({"signature_name": signature, "inputs": {name: value}}).encode()
        try:
            outputs = self._retries.run(lambda: self._send(body))["outputs"]
        except UnavailableError as error:
            raise UserError(
                f"no server at {self._server} (asked {self._retries.attempts} times): {error}; "
                "python -m tsd_tf.serving starts one, --server names another"
            ) from error
        return Answer(
            probabilities=np.array(outputs[signatures.PROBABILITIES][0], np.float32),
            classes=tuple(outputs[signatures.CLASSES][0]),
            version=None,
        )

    def _send(self, body):
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace").strip()
            if error.code == 503:
                raise UnavailableError(text) from error
            raise UserError(f"{self._server} refused the request: HTTP {error.code}: {text[:500]}") from error
        except TimeoutError as error:
            raise UserError(
                f"{self._server} did not answer within {self._timeout:g} s; --timeout allows more"
            ) from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
            raise UnavailableError(str(getattr(error, "reason", error))) from error

    def close(self):
        """Nothing stays open between two requests."""
