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


class _Health(health.aio.HealthServicer):
    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        # A stream that only its client ends would hold up every graceful stop.
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "call Check")


async def _answer(
    work: Callable[[Any], Any], request: Any, context: grpc.aio.ServicerContext, metrics: Metrics, api: str
) -> Any:
    start = time.monotonic()
    name = request.model_spec.name
    try:
        response = work(request)
        if not hasattr(response, "DESCRIPTOR"):
            response = await response
    except ServingError as error:
        metrics.count(names.REQUEST_COUNT, model_name=name, status=error.code.name)
        await context.abort(error.code, error.message)
    metrics.count(names.REQUEST_COUNT, model_name=name, status="OK")
    metrics.observe(
        names.REQUEST_LATENCY, (time.monotonic() - start) * 1e6, model_name=name, API=api, entrypoint="GRPC"
    )
    return response


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor, self._metrics = predictor, metrics

    async def Predict(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await _answer(self._predictor.predict, request, context, self._metrics, "Predict")

    async def GetModelMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await _answer(self._predictor.metadata, request, context, self._metrics, "GetModelMetadata")

    async def Classify(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _ONLY_PREDICT.format("Classify"))

    async def Regress(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _ONLY_PREDICT.format("Regress"))

    async def MultiInference(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _ONLY_PREDICT.format("MultiInference"))


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor, self._metrics = predictor, metrics

    async def GetModelStatus(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        return await _answer(self._predictor.status, request, context, self._metrics, "GetModelStatus")

    async def HandleReloadConfigRequest(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "The models of this server are named when it starts.")


_ONLY_PREDICT = "{} needs tf.train.Examples; this server's signatures take tensors: call Predict."
