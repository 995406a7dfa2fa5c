"""Asks a TensorFlow Serving server by gRPC."""

import grpc

from tsd_tf.client import messages
from tsd_tf.client.answer import Answer
from tsd_tf.client.retries import Retries, UnavailableError
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # gRPC's own 4 MB is less than one clip of T_s = 40


class GrpcConnection:
    """A gRPC connection to the server; reconnects by itself.

    Args:
        server: "host:port".
        model_name: the model's name there.
        timeout: seconds that one attempt may take.
        retries: Retries; None for the default.
    """

    def __init__(self, server, model_name=signatures.MODEL_NAME, timeout=30.0, retries=None):
        self._server, self._model_name, self._timeout = server, model_name, timeout
        self._retries = retries or Retries()
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

    def classify(self, signature, name, tensor):
        """Asks for one clip.

        Args:
            signature, name, tensor: the signature to call, its input, and the value, a batch of one.

        Returns:
            Answer.

        Raises:
            UserError: the server is not there, refuses the request, or does not answer in time.
        """
        request = messages.PredictRequest()
        request.model_spec.name = self._model_name
        request.model_spec.signature_name = signature
        request.output_filter.extend([signatures.PROBABILITIES, signatures.CLASSES])
        messages.write_tensor(request.inputs[name], tensor)
        try:
            response = self._retries.run(lambda: self._send(request))
        except UnavailableError as error:
            raise UserError(
                f"no server at {self._server} (asked {self._retries.attempts} times): {error}; "
                "python -m tsd_tf.serving starts one, --server names another"
            ) from error
        return Answer(
            probabilities=messages.read_tensor(response.outputs[signatures.PROBABILITIES])[0],
            classes=tuple(value.decode() for value in messages.read_tensor(response.outputs[signatures.CLASSES])[0]),
            version=response.model_spec.version.value,
        )

    def _send(self, request):
        try:
            return self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise UnavailableError(error.details()) from error
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise UserError(
                    f"{self._server} did not answer within {self._timeout:g} s; --timeout allows more"
                ) from error
            raise UserError(f"{self._server} refused the request: {error.code().name}: {error.details()}") from error

    def close(self):
        """Ends the connection."""
        self._channel.close()
