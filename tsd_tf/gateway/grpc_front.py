"""The gateway's gRPC: TensorFlow Serving's services as far as tensors go."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages, signatures
from tsd_tf.gateway import coded_clips, coded_signature
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.picture_requests import PictureRequests
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving import grpc_calls, grpc_message
from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.grpc_intake import GrpcIntake
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
METHODS = (messages.PREDICT, messages.GET_MODEL_METADATA, messages.GET_MODEL_STATUS)
_MORE_BYTES = 1 << 20  # of a message around coded pictures
_Work = Callable[[bytes, float, RequestRecord, Arrival], Awaitable[bytes]]


class GrpcFront(grpc.GenericRpcHandler):
    """Answers the calls of a grpc.aio server; other methods than these are UNIMPLEMENTED.

    Messages are taken as bytes, and go to the backend as they came unless their clips are coded.

    Args:
        backends: who are asked.
        coded: who answers requests with coded clips.
        pictures: who looks at requests with pictures.
        intake: where requests come in.
        limits: of messages and times.
        tokens: who may ask; None for everybody.
        calls: reads messages; it leaves the entering of METHODS to this class.
    """

    def __init__(
        self,
        backends: Backends,
        coded: CodedClips,
        pictures: PictureRequests,
        intake: Intake,
        limits: Limits,
        tokens: Tokens | None,
        calls: GrpcIntake,
    ) -> None:
        self._backends, self._coded, self._pictures = backends, coded, pictures
        self._intake, self._limits, self._calls = intake, limits, calls
        self._tokens = tokens
        works: tuple[_Work, ...] = (self._predict, self._metadata, self._status)
        self._methods = dict(zip(METHODS, works, strict=True))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = handler_call_details.method
        if method not in self._methods:
            return None

        async def answer(requests: Any, context: grpc.aio.ServicerContext) -> bytes:
            try:
                return await self._answer(method, context)
            except ServingError as error:
                await grpc_calls.end(context, error)
            except Exception:
                _LOG.exception("%s", method)
                await grpc_calls.end(context, ServingError(grpc.StatusCode.INTERNAL, "internal error"))
            raise AssertionError("unreachable")

        # Of unary calls, but as a stream: so that who asks is known before a message is waited for, and how long.
        return grpc.stream_unary_rpc_method_handler(answer)

    @contextlib.contextmanager
    def admitted(self, context: grpc.aio.ServicerContext, method: str) -> Iterator[tuple[RequestRecord, Arrival]]:
        """Goes around the answering of a call of whoever may ask.

        Args:
            context: of the call.
            method: "/service/method".

        Yields:
            What is known of it, and its entry among the requests.

        Raises:
            Refusal: who asks may not.
        """
        record = RequestRecord("grpc", context.peer(), method)
        with self._intake.request(record, Peer.of_grpc(context.peer())) as arrival:
            if self._tokens is not None:
                metadata = dict(context.invocation_metadata() or ())
                record.token = self._tokens.name_of(_text(metadata.get("authorization")))
            yield record, arrival

    async def _answer(self, method: str, context: grpc.aio.ServicerContext) -> bytes:
        with self.admitted(context, method) as (record, arrival):
            content = await self._calls.receive(context, arrival)
            record.bytes_in = len(content)
            if self._tokens is not None:
                self._tokens.count(record.token, record.bytes_in)
            arrival.whole()
            remaining = context.time_remaining()
            timeout = self._limits.backend_timeout if remaining is None else remaining
            try:
                return await self._methods[method](content, timeout, record, arrival)
            except DecodeError as error:
                message = f"the message cannot be read as a request to {method.rpartition('/')[2]}"
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "bad_message") from error

    async def _predict(self, content: bytes, timeout: float, record: RequestRecord, arrival: Arrival) -> bytes:
        end = time.monotonic() + timeout
        request = await grpc_message.parse(messages.PREDICT, content, messages.PredictEnvelope.FromString)
        _note(record, request)
        if record.signature == signatures.CODED:
            if (size := len(content)) > self._coded.max_bytes + _MORE_BYTES:
                message = f"expected at most {self._coded.max_bytes} bytes of coded pictures, got {size}"
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "too_many_bytes")
            inputs = coded_clips.read_inputs(request.inputs)
            response = await self._coded.answer(
                request.model_spec, inputs, request.output_filter, timeout, record, arrival
            )
            return response.SerializeToString()
        record.codec = "jpeg" if record.signature == signatures.JPEG else "raw"
        for tensor in request.inputs.values():
            shape = messages.TensorHead.FromString(tensor).tensor_shape
            record.clips = shape.dim[0].size if shape.dim else None
        if record.signature == signatures.JPEG and signatures.FRAMES_BYTES in request.inputs:
            tensor = request.inputs[signatures.FRAMES_BYTES]
            await self._pictures.check(
                request.model_spec, lambda: messages.TensorProto.FromString(tensor).string_val, timeout
            )
        del request
        with record.asking():
            return await self._backends.call(messages.PREDICT, content, end - time.monotonic())

    async def _metadata(self, content: bytes, timeout: float, record: RequestRecord, arrival: Arrival) -> bytes:
        parser = messages.GetModelMetadataRequest.FromString
        _note(record, await grpc_message.parse(messages.GET_MODEL_METADATA, content, parser))
        with record.asking():
            answer = await self._backends.call(messages.GET_MODEL_METADATA, content, timeout)
        return coded_signature.add_to_message(answer)

    async def _status(self, content: bytes, timeout: float, record: RequestRecord, arrival: Arrival) -> bytes:
        parser = messages.GetModelStatusRequest.FromString
        _note(record, await grpc_message.parse(messages.GET_MODEL_STATUS, content, parser))
        with record.asking():
            return await self._backends.call(messages.GET_MODEL_STATUS, content, timeout)


def _note(record: RequestRecord, request: Any) -> None:
    record.model, record.signature = request.model_spec.name, request.model_spec.signature_name


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
