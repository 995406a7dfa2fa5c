"""TensorFlow Serving's gRPC services, PredictionService and ModelService."""

import time
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tsd_tf.serving import grpc_calls
from tsd_tf.serving import metrics as names
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.predictor import Predictor
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


def add_services(server: grpc.aio.Server, predictor: Predictor, metrics: Metrics) -> None:
    """Registers both services on a grpc.aio server."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_PredictionService(predictor, metrics), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(predictor, metrics), server)


def _refused(reason: str) -> Callable:
    """A method that answers every call with UNIMPLEMENTED."""

    async def refuse(self: Any, request: Any, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)

    return refuse


class _Service:
    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor, self._metrics = predictor, metrics

    async def _answer(
        self, api: str, work: Callable[[Any], Any], request: Any, context: grpc.aio.ServicerContext
    ) -> Any:
        start = time.monotonic()
        name = self._predictor.label(request.model_spec.name)
        try:
            response = work(request)
            if not hasattr(response, "DESCRIPTOR"):
                response = await response
        except ServingError as error:
            if isinstance(error, Refusal):
                self._metrics.count(names.REFUSALS, reason=error.reason)
            self._metrics.count(names.REQUEST_COUNT, model_name=name, status=error.code.name)
            await grpc_calls.end(context, error)
        self._metrics.count(names.REQUEST_COUNT, model_name=name, status="OK")
        self._metrics.observe(
            names.REQUEST_LATENCY, (time.monotonic() - start) * 1e6, model_name=name, API=api, entrypoint="GRPC"
        )
        return response


class _PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    async def Predict(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await self._answer("Predict", self._predictor.predict, request, context)

    async def GetModelMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await self._answer("GetModelMetadata", self._predictor.metadata, request, context)

    Classify, Regress, MultiInference = (
        _refused(f"{name} needs tf.train.Examples; this server's signatures take tensors: call Predict.")
        for name in ("Classify", "Regress", "MultiInference")
    )


class _ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    async def GetModelStatus(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await self._answer("GetModelStatus", self._predictor.status, request, context)

    HandleReloadConfigRequest = _refused("The models of this server are named when it starts.")
