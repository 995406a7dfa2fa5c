"""The gateway's gRPC: TensorFlow Serving's services as far as tensors go, and gRPC's own health service."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from tsd_tf.contract import messages, signatures
from tsd_tf.gateway import coded_clips, coded_signature
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.refusal import Refusal
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
_Work = Callable[[bytes, float, RequestRecord], Awaitable[bytes]]


class GrpcFront(grpc.GenericRpcHandler):
    """Answers the calls of a grpc.aio server; other methods than these are UNIMPLEMENTED.

    Messages are taken as bytes, and go to the backend as they came unless their clips are coded.

    Args:
        backends: who are asked.
        coded: who answers requests with coded clips.
        intake: where requests come in.
        limits: of messages and times.
        tokens: who may ask; None for everybody.
        is_ready: whether to say so to who asks for the health.
    """

    def __init__(
        self,
        backends: Backends,
        coded: CodedClips,
        intake: Intake,
        limits: Limits,
        tokens: Tokens | None,
        is_ready: Callable[[], bool],
    ) -> None:
        self._backends, self._coded, self._intake, self._limits = backends, coded, intake, limits
        self._tokens, self._is_ready = tokens, is_ready
        self._methods: dict[str, _Work] = {
            messages.PREDICT: self._predict,
            messages.GET_MODEL_METADATA: self._metadata,
            messages.GET_MODEL_STATUS: self._status,
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = handler_call_details.method
        if method != _HEALTH_CHECK and method not in self._methods:
            return None

        async def answer(requests: Any, context: grpc.aio.ServicerContext) -> bytes:
            try:
                if method == _HEALTH_CHECK:
                    return self._health(await self._read(context))
                return await self._answer(method, context)
            except ServingError as error:
                await _end(context, error.code, error.message, _trailing_metadata(error))
            except Exception:
                _LOG.exception("%s", method)
                await _end(context, grpc.StatusCode.INTERNAL, "internal error")
            raise AssertionError("unreachable")

        # Of unary calls, but as a stream: so that who asks is known before a message is waited for, and how long.
        return grpc.stream_unary_rpc_method_handler(answer)

    async def _answer(self, method: str, context: grpc.aio.ServicerContext) -> bytes:
        record = RequestRecord("grpc", context.peer(), method)
        with self._intake.request(record):
            if self._tokens is not None:
                metadata = dict(context.invocation_metadata() or ())
                record.token = self._tokens.name_of(_text(metadata.get("authorization")))
            content = await self._read(context)
            record.bytes_in = len(content)
            if self._tokens is not None:
                self._tokens.count(record.token, record.bytes_in)
            remaining = context.time_remaining()
            timeout = self._limits.backend_timeout if remaining is None else remaining
            try:
                return await self._methods[method](content, timeout, record)
            except DecodeError as error:
                name = method.rpartition("/")[2]
                message = f"the message cannot be read as a request to {name}"
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "bad_message") from error

    async def _read(self, context: grpc.aio.ServicerContext) -> bytes:
        try:
            content = await asyncio.wait_for(context.read(), self._limits.body_seconds)
        except asyncio.TimeoutError as error:
            message = f"no message within {self._limits.body_seconds:g} s"
            raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, message, "slow_body") from error
        if content is grpc.aio.EOF:  # gRPC itself has said so to who sent it
            message = f"no message, or one that is larger than {self._limits.max_message_bytes} bytes"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_large")
        return content

    async def _predict(self, content: bytes, timeout: float, record: RequestRecord) -> bytes:
        request = messages.PredictRequest.FromString(content)
        _note(record, request)
        if record.signature == signatures.CODED:
            inputs = coded_clips.read_inputs(request)
            response = await self._coded.answer(request.model_spec, inputs, request.output_filter, timeout, record)
            return response.SerializeToString()
        record.codec = "jpeg" if record.signature == signatures.JPEG else "raw"
        for tensor in request.inputs.values():
            record.clips = tensor.tensor_shape.dim[0].size if tensor.tensor_shape.dim else None
        with record.asking():
            return await self._backends.call(messages.PREDICT, content, timeout)

    async def _metadata(self, content: bytes, timeout: float, record: RequestRecord) -> bytes:
        _note(record, messages.GetModelMetadataRequest.FromString(content))
        with record.asking():
            answer = await self._backends.call(messages.GET_MODEL_METADATA, content, timeout)
        return coded_signature.add_to_message(answer)

    async def _status(self, content: bytes, timeout: float, record: RequestRecord) -> bytes:
        _note(record, messages.GetModelStatusRequest.FromString(content))
        with record.asking():
            return await self._backends.call(messages.GET_MODEL_STATUS, content, timeout)

    def _health(self, content: bytes) -> bytes:
        try:
            service = health_pb2.HealthCheckRequest.FromString(content).service
        except DecodeError as error:
            raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, "no HealthCheckRequest") from error
        if service not in _SERVICES:
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"no service {service}")
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if self._is_ready() else statuses.NOT_SERVING
        return statuses(status=status).SerializeToString()


async def _end(
    context: grpc.aio.ServicerContext, code: grpc.StatusCode, message: str, metadata: tuple[tuple[str, str], ...] = ()
) -> None:
    try:
        await context.abort(code, message, metadata)
    except grpc.aio.InternalError as error:  # gRPC has ended the call already, as for a message that is too large
        raise asyncio.CancelledError from error


def _note(record: RequestRecord, request: Any) -> None:
    record.model, record.signature = request.model_spec.name, request.model_spec.signature_name


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _trailing_metadata(error: ServingError) -> tuple[tuple[str, str], ...]:
    retry_after = error.retry_after if isinstance(error, Refusal) else None
    return () if retry_after is None else (("retry-after", str(math.ceil(retry_after))),)
