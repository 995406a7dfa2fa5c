"""What both protocols do with a request: find the model, check the inputs, batch them, answer."""

import asyncio
import time

import grpc
import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from tsd_tf.contract.signatures import FRAMES_BYTES, JPEG
from tsd_tf.serving import metrics as names
from tsd_tf.serving import pictures
from tsd_tf.serving.batcher import Batcher
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.model_store import ModelStore
from tsd_tf.serving.servable import Servable, num_clips
from tsd_tf.serving.serving_error import ServingError, invalid_argument
from tsd_tf.serving.tensors import num_listed, tensor_from_proto, tensor_to_proto

_FEW_VALUES = 256  # in lists of a request, which are converted on the event loop
SIGNATURE_DEF = "signature_def"  # the one metadata field that can be asked for


class Predictor:
    """Answers requests from a ModelStore through a Batcher, and counts in Metrics."""

    def __init__(self, store: ModelStore, batcher: Batcher, metrics: Metrics) -> None:
        self.store = store
        self._batcher = batcher
        self._metrics = metrics

    async def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """PredictResponse for a PredictRequest; ServingError with TensorFlow Serving's codes and texts."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        servable = self.store.find(request.model_spec)
        try:
            name, signature = servable.signature(request.model_spec.signature_name)
        except KeyError as error:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{error.args[0]}" not found.'
            ) from error
        _check_names(request, signature)
        if sum(map(num_listed, request.inputs.values())) <= _FEW_VALUES:
            inputs = _inputs(request, signature)
        else:
            inputs = await asyncio.to_thread(_inputs, request, signature)
        outputs = await self.run(servable, name, inputs)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = name
        for alias in request.output_filter or outputs:
            response.outputs[alias].CopyFrom(tensor_to_proto(outputs[alias]))
        return response

    async def run(self, servable: Servable, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature on checked arrays, batched with other requests that wait.

        Args:
            servable: the model.
            name: of its signature.
            inputs: {alias: array}.

        Returns:
            {alias: array}.
        """
        size = num_clips(inputs, servable.signature_defs[name])
        if name == JPEG and servable.picture_size is not None:
            await pictures.check(lambda: inputs[FRAMES_BYTES].flat, *servable.picture_size)
        start = time.monotonic()
        outputs = await self._batcher.run(servable.function(name), inputs, size)
        self._metrics.observe(
            names.RUNTIME_LATENCY,
            (time.monotonic() - start) * 1e6,
            model_name=self.store.name,
            API="Predict",
            runtime="TF2",
        )
        return outputs

    def label(self, name: str) -> str:
        """What stands for the model `name` in metrics."""
        return name if name == self.store.name else names.OTHER

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """GetModelMetadataResponse for a GetModelMetadataRequest."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        servable = self.store.find(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.store.name
        response.model_spec.version.value = servable.version
        response.metadata[SIGNATURE_DEF].CopyFrom(servable.metadata)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """GetModelStatusResponse for a GetModelStatusRequest."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return self.store.status(request.model_spec)


def _inputs(request: predict_pb2.PredictRequest, signature: SignatureDef) -> dict[str, np.ndarray]:
    return {alias: tensor_from_proto(alias, proto, signature) for alias, proto in request.inputs.items()}


def _check_names(request: predict_pb2.PredictRequest, signature: SignatureDef) -> None:
    sent, expected = set(request.inputs), set(signature.inputs)
    if sent != expected:
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({{{','.join(sorted(sent))}}}) != len({{{','.join(sorted(expected))}}}). "
            f"Sent extra: {{{','.join(sorted(sent - expected))}}}. "
            f"Missing but required: {{{','.join(sorted(expected - sent))}}}."
        )
    seen = set()
    for alias in request.output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{','.join(sorted(signature.outputs))}}}."
            )
        if alias in seen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
