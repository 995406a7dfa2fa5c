"""TensorFlow Serving's REST interface and Prometheus page, as an aiohttp application."""

import json
import math
import re
import time
import urllib.parse
import weakref
from collections.abc import Callable
from typing import Any

from aiohttp import web
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from tsd_tf.serving import http_body, json_outputs
from tsd_tf.serving import metrics as names
from tsd_tf.serving.arrivals import Arrival, Arrivals
from tsd_tf.serving.connections import Connections
from tsd_tf.serving.http_listener import keep_alive
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.json_reader import JsonReader
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.predictor import SIGNATURE_DEF, Predictor
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.servable import Servable
from tsd_tf.serving.serving_error import ServingError, invalid_argument

# model_servers/http_rest_api_util.cc
_PREDICT = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)", re.IGNORECASE
)
_STATUS = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:/(metadata))?", re.IGNORECASE
)
_INT64_MAX, _INT64_DIGITS = 2**63 - 1, 19


def application(
    predictor: Predictor,
    reader: JsonReader,
    metrics: Metrics,
    limits: IntakeLimits,
    arrivals: Arrivals,
    connections: Connections,
) -> web.Application:
    """The aiohttp application: /v1/models... and /monitoring/prometheus/metrics.

    Args:
        predictor: answers.
        reader: reads bodies.
        metrics: where requests are counted.
        limits: of bodies.
        arrivals: where requests are entered.
        connections: those that they come on.
    """
    service = _Rest(predictor, reader, metrics, limits, arrivals, connections)
    app = web.Application(middlewares=[keep_alive, _errors])
    app.router.add_get("/monitoring/prometheus/metrics", service.metrics_page)
    app.router.add_route("*", "/{path:[vV]1/.*}", service.answer)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Callable) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.json_response({"error": error.reason}, status=error.status)


def _error(error: ServingError) -> web.Response:
    headers = {}
    if isinstance(error, Refusal) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return web.json_response({"error": error.message}, status=error.http_status, headers=headers)


class _Rest:
    def __init__(
        self,
        predictor: Predictor,
        reader: JsonReader,
        metrics: Metrics,
        limits: IntakeLimits,
        arrivals: Arrivals,
        connections: Connections,
    ) -> None:
        self._predictor, self._reader, self._metrics = predictor, reader, metrics
        self._limits, self._arrivals, self._connections = limits, arrivals, connections
        # Which takes some milliseconds to write.
        self._metadata_of: weakref.WeakKeyDictionary[Servable, str] = weakref.WeakKeyDictionary()

    async def metrics_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._metrics.text(), content_type="text/plain")

    async def answer(self, request: web.Request) -> web.Response:
        start = time.monotonic()
        path = request.rel_url.raw_path
        pattern = {"POST": _PREDICT, "GET": _STATUS}.get(request.method)
        match = pattern and pattern.fullmatch(path)
        name = urllib.parse.unquote(match[1] or "") if match else ""
        label = self._predictor.label(name)
        try:
            if not match:
                raise invalid_argument(f"Malformed request: {request.method} {path}")
            if not name:
                raise invalid_argument("Missing model name in request.")
            spec = _model_spec(name, match[2], match[3])
            with self._arrivals.request(Peer.of_socket(_peername(request)), self._connections) as arrival:
                if request.method == "POST":
                    api = match[4].lower()
                    text = await self._predict(spec, api, request, arrival)
                else:
                    arrival.whole()
                    api = "GetModelMetadata" if match[4] else "GetModelStatus"
                    text = self._metadata(spec) if match[4] else self._status(spec)
        except ServingError as error:
            if isinstance(error, Refusal):
                self._metrics.count(names.REFUSALS, reason=error.reason)
            self._metrics.count(names.REQUEST_COUNT, model_name=label, status=error.code.name)
            return _error(error)
        self._metrics.count(names.REQUEST_COUNT, model_name=label, status="OK")
        self._metrics.observe(
            names.REQUEST_LATENCY, (time.monotonic() - start) * 1e6, model_name=label, API=api, entrypoint="REST"
        )
        return web.Response(text=text, content_type="application/json")

    async def _predict(self, spec: model_pb2.ModelSpec, api: str, request: web.Request, arrival: Arrival) -> str:
        if api != "predict":
            raise invalid_argument(
                f"Expected {'classification' if api == 'classify' else 'regression'} signature method_name to be "
                f"tensorflow/serving/{api}. Was: tensorflow/serving/predict"
            )
        servable = self._predictor.store.find(spec)  # before a body is read that nobody wants
        cost = JsonCost(self._limits.max_json_values)
        body = await http_body.read(request, arrival, self._limits, cost)
        arrival.whole()
        wanted = await self._reader.read(body, cost, servable.inputs)
        arrival.add(sum(array.nbytes for array in wanted.inputs.values()))
        del body
        outputs = await self._predictor.run(servable, wanted.signature, wanted.inputs)
        return json_outputs.outputs_to_json(outputs, wanted.row)

    def _status(self, spec: model_pb2.ModelSpec) -> str:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json.dumps(_to_dict(self._predictor.status(request)), indent=1)

    def _metadata(self, spec: model_pb2.ModelSpec) -> str:
        servable = self._predictor.store.find(spec)
        if servable not in self._metadata_of:
            request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_DEF])
            body = _to_dict(self._predictor.metadata(request))
            del body["metadata"][SIGNATURE_DEF]["@type"]  # of the protobuf.Any, which TensorFlow Serving does not show
            self._metadata_of[servable] = json.dumps(body, indent=1)
        return self._metadata_of[servable]


def _peername(request: web.Request) -> Any:
    return request.transport.get_extra_info("peername") if request.transport is not None else None


def _model_spec(name: str, version: str | None, label: str | None) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=name)
    if version:
        digits = version.lstrip("0") or "0"
        if len(digits) > _INT64_DIGITS or int(digits) > _INT64_MAX:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(digits)
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
