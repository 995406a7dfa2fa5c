"""Asks a TensorFlow Serving server by gRPC."""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import Connection
from tsd_tf.client.retries import UnavailableError
from tsd_tf.contract import messages, signatures

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # gRPC's own 4 MB is less than one clip of T_s = 40


class GrpcConnection(Connection):
    """A gRPC connection to the server; it reconnects by itself.

    Args:
        server: "host:port".
        model_name, timeout, retries: see Connection.
    """

    def __init__(self, server: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self._channel = grpc.insecure_channel(
            server,
            options=[
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                # A server that comes back is noticed within the pauses between two attempts.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
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
            return self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise UnavailableError(error.details()) from error
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._late() from error
            raise self._refused(f"{error.code().name}: {error.details()}") from error

    def _answer(self, response: Any) -> Answer:
        return Answer(
            probabilities=messages.read_tensor(response.outputs[signatures.PROBABILITIES])[0],
            classes=tuple(value.decode() for value in messages.read_tensor(response.outputs[signatures.CLASSES])[0]),
            version=response.model_spec.version.value,
        )
