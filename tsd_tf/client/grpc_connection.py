"""Asks a TensorFlow Serving server by gRPC."""

import re
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from tsd_tf.client import proxies
from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import MAX_ANSWER_BYTES, Connection
from tsd_tf.client.errors import UnavailableError
from tsd_tf.client.served_model import ServedModel
from tsd_tf.contract import messages, model_metadata, signatures
from tsd_tf.contract.errors import UserError

_Code = grpc.StatusCode
# Of what all clips have in common: asking with another one is of no use.
_COSTS_ALL = (_Code.PERMISSION_DENIED, _Code.NOT_FOUND, _Code.UNIMPLEMENTED, _Code.FAILED_PRECONDITION)
_TOO_LARGE = re.compile(r"larger than")  # gRPC's words and the gateway's, with the code of servers that are busy
# What speaks HTTP/1 or something else; but a proxy may do so for the time that its server is away.
_NO_GRPC = re.compile(r"Failed parsing HTTP/2(?!.*HTTP status 5)")


class GrpcConnection(Connection):
    """A gRPC connection to the server; it reconnects by itself.

    Args:
        server: "host:port", "grpc://host:port", or "grpcs://host:port" with TLS.
        model_name, timeout, retries, credentials, note: see Connection.
    """

    schemes = ("grpc", "grpcs")
    tells_versions = True

    def __init__(self, server: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        options = [
            # gRPC's own 4 MB is less than one clip of T_s = 40.
            ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
            # A server that comes back is noticed within the pauses between two attempts.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # In spite of its name, what one attempt may take: a handshake of TLS by radio, or with a busy server.
            ("grpc.min_reconnect_backoff_ms", 20_000),
            # A connection of which a router has forgotten is noticed while something is asked, and not for ever.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # A proxy would be another machine, which could read the token.
            ("grpc.enable_http_proxy", int(not self._address.is_loopback)),
        ]
        target = self._address.host_and_port
        if self._address.is_encrypted:
            self._channel = grpc.secure_channel(target, self._credentials.grpc_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        token = self._credentials.token
        self._metadata = [("authorization", f"Bearer {token}")] if token else None
        # Answers come as bytes: gRPC would show the traceback of those that cannot be read.
        self._predict = self._channel.unary_unary(messages.PREDICT)
        self._get_metadata = self._channel.unary_unary(messages.GET_MODEL_METADATA)

    def _disconnect(self) -> None:
        self._channel.close()

    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
        return messages.predict_request_bytes(self._model_name, signature, inputs)

    def _send(self, request: bytes) -> bytes:
        return self._call(self._predict, request)

    def _send_description(self) -> bytes:
        request = messages.GetModelMetadataRequest(metadata_field=[messages.SIGNATURE_DEF])
        request.model_spec.name = self._model_name
        return self._call(self._get_metadata, request.SerializeToString())

    def _call(self, method: Any, request: bytes) -> bytes:
        self._patience.check()
        try:
            return method(request, timeout=self._timeout, metadata=self._metadata)
        except ValueError as error:  # gRPC's words for a channel that was closed in the meantime
            self._patience.check()
            raise error
        except grpc.RpcError as error:
            raise self._of_status(error) from error

    def _of_status(self, error: Any) -> Exception:
        code, details = error.code(), error.details() or ""
        reason = f"{code.name}: {details}"
        retry_after = dict(error.trailing_metadata() or ()).get("retry-after")
        retry_after = retry_after.decode("ascii", "replace") if isinstance(retry_after, bytes) else retry_after
        if code == _Code.UNAVAILABLE:
            if _NO_GRPC.search(details):
                return self._unreachable_by_grpc(details)
            return self._unavailable(details, retry_after) if retry_after else self._unreachable(details)
        if code == _Code.CANCELLED:
            self._patience.check()  # it was cancelled here
            return self._busy(reason, retry_after)
        if code == _Code.RESOURCE_EXHAUSTED and (retry_after or not _TOO_LARGE.search(details)):
            return self._busy(reason, retry_after)
        if code == _Code.DEADLINE_EXCEEDED:
            return self._late()
        if code == _Code.UNAUTHENTICATED:
            return self._unauthenticated(reason)
        return self._refused(reason, code in _COSTS_ALL)

    def _unreachable_by_grpc(self, details: str) -> Exception:
        error = self._unreachable(details)  # TLS may be the reason
        if not isinstance(error, UnavailableError):
            return error
        hint = proxies.hint(self._address)
        return UserError(
            f"no connection to {self.server}: it does not speak gRPC; `server` of REST is http://host:port{hint}"
        )

    def _answer(self, response: bytes) -> Answer:
        try:
            message = messages.PredictResponse.FromString(response)
        except DecodeError as error:
            raise ValueError(f"{len(response)} bytes that are no PredictResponse") from error
        missing = {signatures.PROBABILITIES, signatures.CLASSES} - set(message.outputs)
        if missing:
            raise ValueError(f"no {' and no '.join(sorted(missing))}")
        probabilities, classes = (
            messages.read_tensor(message.outputs[name]) for name in (signatures.PROBABILITIES, signatures.CLASSES)
        )
        if classes.dtype != object or classes.ndim != 2:
            raise ValueError(f"{signatures.CLASSES} of type {classes.dtype} and shape {classes.shape}")
        version = message.model_spec.version.value or None
        return Answer.of(probabilities, [[name.decode() for name in row] for row in classes], version)

    def _described(self, response: bytes) -> ServedModel:
        try:
            message = messages.GetModelMetadataResponse.FromString(response)
            return ServedModel.of(model_metadata.signatures_of(message), message.model_spec.version.value)
        except DecodeError as error:
            raise ValueError("no metadata") from error
