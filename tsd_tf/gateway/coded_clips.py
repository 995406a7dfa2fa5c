"""Answers requests to the signature `coded`: decodes their clips and asks for the frames."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages, signatures
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.clip_shapes import ClipShapes
from tsd_tf.gateway.decoding_pool import DecodingPool
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError
from tsd_tf.video.codec import CODECS

_INPUTS = {
    signatures.PACKETS: ("strings", messages.DT_STRING),
    signatures.CODEC: ("strings", messages.DT_STRING),
    signatures.ORDER: ("uint8", messages.DT_UINT8),
}
_HIGHEST_RANK = 2  # of the inputs
_MOST_BYTES = 1 << 16  # of each but the packets
_YOUNG = 0.5  # seconds


class CodedClips:
    """The signature `coded` of all models behind the gateway.

    Args:
        backends: who are asked for the frames.
        pool: where clips are decoded.
        shapes: of the clips that the models take.
    """

    def __init__(self, backends: Backends, pool: DecodingPool, shapes: ClipShapes) -> None:
        self._backends, self._pool, self._shapes = backends, pool, shapes

    @property
    def max_bytes(self) -> int:
        """Of the coded pictures of a request."""
        return self._pool.max_bytes

    async def answer(
        self,
        spec: Any,
        inputs: Mapping[str, np.ndarray],
        output_filter: Iterable[str],
        timeout: float,
        record: RequestRecord,
        arrival: Arrival,
    ) -> Any:
        """What the model says to the clips.

        Args:
            spec: the ModelSpec of the request.
            inputs: {name: array}, from anyone.
            output_filter: names of the outputs that are wanted; empty for all.
            timeout: seconds for all of it.
            record: where the times are noted.
            arrival: is told of the bytes of the frames.

        Returns:
            A PredictResponse.

        Raises:
            ServingError: see ClipShapes, DecodingPool, Arrival and Backends.
        """
        end = time.monotonic() + timeout
        note(record, inputs)
        if any(not array.ndim for array in inputs.values()):
            raise _bad_clip("expected an entry for each clip in every input, got a scalar")
        frames = await self._decode(spec, inputs, end, record, arrival)
        request = messages.PredictRequest(output_filter=output_filter)
        request.model_spec.CopyFrom(spec)
        request.model_spec.signature_name = signatures.SERVING_DEFAULT
        messages.write_tensor(request.inputs[signatures.FRAMES], frames)
        with record.asking():
            content = await self._backends.call(messages.PREDICT, request.SerializeToString(), end - time.monotonic())
        try:
            response = messages.PredictResponse.FromString(content)
        except DecodeError as error:
            raise ServingError(grpc.StatusCode.INTERNAL, "the backend's answer is damaged") from error
        response.model_spec.signature_name = signatures.CODED
        return response

    async def _decode(
        self, spec: Any, inputs: Mapping[str, np.ndarray], end: float, record: RequestRecord, arrival: Arrival
    ) -> np.ndarray:
        start = time.monotonic()
        shape = await self._shapes.of(spec, end - start)
        arrival.add(min(record.clips or 0, self._pool.max_clips) * math.prod(shape) * 3)
        start = time.monotonic()
        try:
            return await self._pool.decode(inputs, shape)
        except Refusal as refusal:
            if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            # A new version may take clips of another size.
            fresh = await self._shapes.of(spec, end - time.monotonic(), _YOUNG)
            if fresh == shape:
                raise
            return await self._pool.decode(inputs, fresh)
        finally:
            record.decode_seconds = time.monotonic() - start


def read_inputs(tensors: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """The inputs of a request to the signature `coded`.

    Args:
        tensors: {name: bytes of a TensorProto}, as in a PredictEnvelope.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    arrays = {}
    for name, (kind, dtype) in _INPUTS.items():
        if name not in tensors:
            raise _bad_clip(f"no input {name}")
        if name != signatures.PACKETS and len(tensors[name]) > _MOST_BYTES:
            raise _bad_clip(f"expected at most {_MOST_BYTES} bytes in {name}")
        try:
            tensor = messages.TensorProto.FromString(tensors[name])
        except DecodeError as error:
            raise _bad_clip(f"tensor parsing error: {name}") from error
        if tensor.dtype != dtype:
            raise _bad_clip(f"expected {name} as {kind}, got DataType {tensor.dtype}")
        if (rank := len(tensor.tensor_shape.dim)) > _HIGHEST_RANK:  # NumPy has limits of its own, here and there
            raise _bad_clip(f"expected {name} of rank {_HIGHEST_RANK} at most, got rank {rank}")
        try:
            arrays[name] = messages.read_tensor(tensor)
        except (ValueError, OverflowError) as error:
            raise _bad_clip(f"tensor parsing error: {name}: {error}") from error
    if extra := sorted(set(tensors) - set(arrays)):
        raise _bad_clip(f"no input is called {extra[0]}")
    return arrays


def _bad_clip(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"signature {signatures.CODED}: {message}", "bad_clip")


def note(record: RequestRecord, inputs: Mapping[str, np.ndarray]) -> None:
    """Notes clips and codec of a request; names that are no codec's are "other"."""
    names = {name.decode("ascii", "replace") for name in inputs[signatures.CODEC].flat if isinstance(name, bytes)}
    record.clips = inputs[signatures.CODEC].size
    record.codec = "mixed" if len(names) > 1 else "".join(names & set(CODECS)) or "other"
