"""TensorFlow Serving's REST interface and Prometheus page, as an aiohttp application."""

import asyncio
import json
import re
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import numpy as np
from aiohttp import web
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from tsd_tf.serving import json_outputs, json_tensors
from tsd_tf.serving import metrics as names
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.predictor import SIGNATURE_DEF, Predictor
from tsd_tf.serving.servable import Servable
from tsd_tf.serving.serving_error import ServingError, invalid_argument

# model_servers/http_rest_api_util.cc
_PREDICT = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)", re.IGNORECASE
)
_STATUS = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:/(metadata))?", re.IGNORECASE
)
_INT64_MAX = 2**63 - 1


def application(predictor: Predictor, metrics: Metrics, limits: Limits) -> web.Application:
    """The aiohttp application: /v1/models... and /monitoring/prometheus/metrics."""
    service = _Rest(predictor, metrics)
    app = web.Application(client_max_size=limits.max_message_bytes, middlewares=[_limit(limits)])
    app.router.add_get("/monitoring/prometheus/metrics", service.metrics_page)
    app.router.add_route("*", "/{path:[vV]1/.*}", service.answer)
    return app


def _limit(limits: Limits) -> Callable:
    under_way = 0

    @web.middleware
    async def middleware(request: web.Request, handler: Callable) -> web.StreamResponse:
        nonlocal under_way
        if under_way >= limits.max_concurrent_requests:
            return _error(429, f"more than {limits.max_concurrent_requests} requests at the same time")
        if (request.content_length or 0) > limits.max_message_bytes:
            return _error(413, _too_large(limits.max_message_bytes))
        under_way += 1
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, _too_large(limits.max_message_bytes))
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        finally:
            under_way -= 1

    return middleware


def _too_large(limit: int) -> str:
    return f"the body is larger than the {limit} bytes that this server accepts"


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


class _Rest:
    def __init__(self, predictor: Predictor, metrics: Metrics) -> None:
        self._predictor, self._metrics = predictor, metrics

    async def metrics_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._metrics.text(), content_type="text/plain")

    async def answer(self, request: web.Request) -> web.Response:
        start = time.monotonic()
        path = request.rel_url.raw_path
        pattern = {"POST": _PREDICT, "GET": _STATUS}.get(request.method)
        match = pattern and pattern.fullmatch(path)
        name = urllib.parse.unquote(match[1] or "") if match else ""
        try:
            if not match:
                raise invalid_argument(f"Malformed request: {request.method} {path}")
            if not name:
                raise invalid_argument("Missing model name in request.")
            spec = _model_spec(name, match[2], match[3])
            if request.method == "POST":
                api = match[4].lower()
                text = await self._predict(spec, api, await request.read())
            else:
                api = "GetModelMetadata" if match[4] else "GetModelStatus"
                text = self._metadata(spec) if match[4] else self._status(spec)
        except ServingError as error:
            self._metrics.count(names.REQUEST_COUNT, model_name=name, status=error.code.name)
            return _error(error.http_status, error.message)
        self._metrics.count(names.REQUEST_COUNT, model_name=name, status="OK")
        self._metrics.observe(
            names.REQUEST_LATENCY, (time.monotonic() - start) * 1e6, model_name=name, API=api, entrypoint="REST"
        )
        return web.Response(text=text, content_type="application/json")

    async def _predict(self, spec: model_pb2.ModelSpec, api: str, body: bytes) -> str:
        if api != "predict":
            raise invalid_argument(
                f"Expected {'classification' if api == 'classify' else 'regression'} signature method_name to be "
                f"tensorflow/serving/{api}. Was: tensorflow/serving/predict"
            )
        servable = self._predictor.store.find(spec)
        name, inputs, row = await asyncio.to_thread(_read, body, servable)
        return json_outputs.outputs_to_json(await self._predictor.run(servable, name, inputs), row)

    def _status(self, spec: model_pb2.ModelSpec) -> str:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json.dumps(_to_dict(self._predictor.status(request)), indent=1)

    def _metadata(self, spec: model_pb2.ModelSpec) -> str:
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_DEF])
        body = _to_dict(self._predictor.metadata(request))
        del body["metadata"][SIGNATURE_DEF]["@type"]  # of the protobuf.Any, which TensorFlow Serving does not show
        return json.dumps(body, indent=1)


def _read(body: bytes, servable: Servable) -> tuple[str, dict[str, np.ndarray], bool]:
    document = json_tensors.parse(body)
    try:
        name, signature = servable.signature(json_tensors.signature_name(document))
    except KeyError as error:
        raise invalid_argument(f'Serving signature name: "{error.args[0]}" not found in signature def') from error
    inputs, row = json_tensors.inputs_from_json(document, signature)
    return name, inputs, row


def _model_spec(name: str, version: str | None, label: str | None) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=name)
    if version:
        if int(version[:20]) > _INT64_MAX:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = urllib.parse.unquote(label)
    return spec


def _to_dict(message: Any) -> dict[str, Any]:
    # protobuf 5 renamed the option that writes out fields that have their default values.
    for option in ("always_print_fields_with_no_presence", "including_default_value_fields"):
        arguments: dict[str, Any] = {option: True}
        try:
            return json_format.MessageToDict(message, preserving_proto_field_name=True, **arguments)
        except TypeError:
            continue
    raise TypeError("this protobuf's json_format has no option to write default values")
