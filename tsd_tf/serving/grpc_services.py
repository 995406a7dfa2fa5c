"""TensorFlow Serving's gRPC services, PredictionService and ModelService, and gRPC's own health service."""

import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tsd_tf.serving import metrics as names
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.predictor import Predictor
from tsd_tf.serving.serving_error import ServingError

_SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


async def add_services(server: grpc.aio.Server, predictor: Predictor, metrics: Metrics) -> health.aio.HealthServicer:
    """Registers both services and grpc.health.v1.Health on a grpc.aio server.

    Health is SERVING for the server as a whole ("") and for each service, since a Server listens only when its model is
    loaded.

    Returns:
        The health servicer; its `enter_graceful_shutdown()` makes it NOT_SERVING.
    """
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_PredictionService(predictor, metrics), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(predictor, metrics), server)
    servicer = _Health()
    for name in _SERVICES:
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _refused(reason: str) -> Callable:
    """A method that answers every call with UNIMPLEMENTED."""

    async def refuse(self: Any, request: Any, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)

    return refuse


class _Health(health.aio.HealthServicer):
    # A stream that only its client can end would hold up every graceful stop.
    Watch = _refused("call Check")


class _Service:
    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor, self._metrics = predictor, metrics

    async def _answer(
        self, api: str, work: Callable[[Any], Any], request: Any, context: grpc.aio.ServicerContext
    ) -> Any:
        start = time.monotonic()
        name = request.model_spec.name
        try:
            response = work(request)
            if not hasattr(response, "DESCRIPTOR"):
                response = await response
        except ServingError as error:
            self._metrics.count(names.REQUEST_COUNT, model_name=name, status=error.code.name)
            await context.abort(error.code, error.message)
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
