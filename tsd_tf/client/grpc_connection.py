"""Asks a TensorFlow Serving server by gRPC."""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import Connection
from tsd_tf.contract import messages, signatures

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # gRPC's own 4 MB is less than one clip of T_s = 40


class GrpcConnection(Connection):
    """A gRPC connection to the server; it reconnects by itself.

    Args:
        server: "host:port", "grpc://host:port", or "grpcs://host:port" with TLS.
        model_name, timeout, retries, credentials: see Connection.
    """

    schemes = ("grpc", "grpcs")

    def __init__(self, server: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        options = [
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            # A server that comes back is noticed within the pauses between two attempts.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # In spite of its name, what one attempt may take: a handshake of TLS by radio, or with a busy server.
            ("grpc.min_reconnect_backoff_ms", 20_000),
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
        self._predict = self._channel.unary_unary(
            messages.PREDICT,
            request_serializer=messages.PredictRequest.SerializeToString,
            response_deserializer=messages.PredictResponse.FromString,
        )

    def close(self) -> None:
        self._channel.close()

    def _request(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Any:
        return messages.predict_request(self._model_name, signature, inputs)

    def _send(self, request: Any) -> Any:
        try:
            return self._predict(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            code, reason = error.code(), f"{error.code().name}: {error.details()}"
            if code == grpc.StatusCode.UNAVAILABLE:
                raise self._unreachable(error.details()) from error
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._late() from error
            if code == grpc.StatusCode.UNAUTHENTICATED:
                raise self._unauthenticated(reason) from error
            if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
                retry_after = dict(error.trailing_metadata() or ()).get("retry-after")
                raise self._busy(reason, retry_after) from error
            raise self._refused(reason) from error

    def _answer(self, response: Any) -> Answer:
        return Answer(
            probabilities=messages.read_tensor(response.outputs[signatures.PROBABILITIES])[0],
            classes=tuple(value.decode() for value in messages.read_tensor(response.outputs[signatures.CLASSES])[0]),
            version=response.model_spec.version.value,
        )
