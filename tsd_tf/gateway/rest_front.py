"""The gateway's REST: TensorFlow Serving's, as an aiohttp application."""

import asyncio
import logging
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import grpc
from aiohttp import web

from tsd_tf.contract import messages, signatures
from tsd_tf.gateway import coded_json, coded_signature, rest_error
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.coded_json import CodedRequest, PictureRequest
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.page_front import PageFront
from tsd_tf.gateway.picture_requests import PictureRequests
from tsd_tf.gateway.probes import add_probes
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.gateway.rest_answer import RestAnswer
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving import http_body, json_outputs
from tsd_tf.serving.arrivals import Arrival
from tsd_tf.serving.http_listener import keep_alive
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
_PATH = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?::(\w+)|/(metadata))?", re.IGNORECASE
)
_INT64_MAX, _INT64_DIGITS = 2**63 - 1, 19
_FORWARDED = ("Content-Type", "Accept")
_METHODS = ("GET", "POST")
_LONGEST_METHOD = 256  # in the log


class RestFront:
    """Answers HTTP requests; those without coded clips go to the backend as they came.

    Args:
        backends: who are asked.
        coded: who answers requests with coded clips.
        pictures: who looks at requests with pictures.
        intake: where requests come in.
        limits: of bodies and times.
        tokens: who may ask; None for everybody.
        is_ready: whether /readyz says so.
    """

    def __init__(
        self,
        backends: Backends,
        coded: CodedClips,
        pictures: PictureRequests,
        intake: Intake,
        limits: Limits,
        tokens: Tokens | None,
        is_ready: Callable[[], bool],
    ) -> None:
        self._backends, self._coded, self._pictures = backends, coded, pictures
        self._intake, self._limits = intake, limits
        self._tokens, self._is_ready = tokens, is_ready

    def application(self, page: PageFront | None = None) -> web.Application:
        """The aiohttp application: /v1/models..., /healthz and /readyz.

        Args:
            page: whose paths come first; None for no page.
        """
        app = web.Application(middlewares=[keep_alive])
        add_probes(app, self._is_ready)
        if page is not None:
            page.add_routes(app)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        peer = Peer.of_socket(request.transport.get_extra_info("peername") if request.transport else None)
        record = RequestRecord("rest", request.remote or "", f"{request.method} {request.rel_url.raw_path}")
        try:
            with self._intake.request(record, peer) as arrival:
                self._admit(request, record)
                cost = JsonCost(self._limits.max_json_values)
                body = await http_body.read(request, arrival, self._limits, cost)
                record.bytes_in = len(body) if request.content_length is None else request.content_length
                arrival.whole()
                answer = await self._respond(request, body, cost, record, arrival)
                record.status = str(answer.status)
                record.reason = "" if answer.status < 400 else "backend"
            return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
        except ServingError as error:
            return rest_error.response(error)
        except Exception:
            _LOG.exception("%s", record.method[:_LONGEST_METHOD])
            return web.json_response({"error": "internal error"}, status=500)

    def _admit(self, request: web.Request, record: RequestRecord) -> None:
        """Before the body is read."""
        if self._tokens is None:
            return
        size = request.content_length
        record.token = self._tokens.name_of(request.headers.get("Authorization"))
        if size is None and request.can_read_body:  # which could not be counted beforehand
            message = "expected a request with Content-Length, which this server counts beforehand"
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "no_length")
        self._tokens.count(record.token, size or 0)

    async def _respond(
        self, request: web.Request, body: bytes, cost: JsonCost, record: RequestRecord, arrival: Arrival
    ) -> RestAnswer:
        path = request.rel_url.raw_path
        match = _PATH.fullmatch(path) if request.method in _METHODS else None
        if match is None:
            raise _bad_path(f"Malformed request: {request.method} {path}")
        record.model = urllib.parse.unquote(match[1] or "")
        is_predict = request.method == "POST" and (match[4] or "").lower() == "predict"
        if is_predict and coded_json.may_be_coded(body, cost, self._coded.max_bytes):
            found = await asyncio.to_thread(coded_json.read, body)
            if isinstance(found, CodedRequest):
                record.signature = signatures.CODED
                return await self._coded_clips(_model_spec(record.model, match[2], match[3]), found, record, arrival)
            if isinstance(found, PictureRequest):
                spec = _model_spec(record.model, match[2], match[3])
                await self._pictures.check(spec, found.contents, self._limits.backend_timeout)
        if is_predict:
            record.codec = "json"
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        with record.asking():
            answer = await self._backends.send(request.method, path, body, headers, self._limits.backend_timeout)
        if match[5] and answer.status == 200:
            return answer._replace(body=coded_signature.add_to_json(answer.body))
        return answer

    async def _coded_clips(self, spec: Any, coded: CodedRequest, record: RequestRecord, arrival: Arrival) -> RestAnswer:
        timeout = self._limits.backend_timeout
        response = await self._coded.answer(spec, coded.inputs, (), timeout, record, arrival)
        try:
            outputs = {name: messages.read_tensor(tensor) for name, tensor in response.outputs.items()}
        except ValueError as error:
            raise ServingError(
                grpc.StatusCode.UNIMPLEMENTED, f"an output cannot be written as JSON: {error}"
            ) from error
        return RestAnswer(200, "application/json", json_outputs.outputs_to_json(outputs, coded.row).encode())


def _model_spec(name: str, version: str | None, label: str | None) -> Any:
    if not name:
        raise _bad_path("Missing model name in request.")
    spec = messages.ModelSpec(name=name)
    if version:
        digits = version.lstrip("0") or "0"
        if len(digits) > _INT64_DIGITS or int(digits) > _INT64_MAX:
            raise _bad_path(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(digits)
    if label:
        spec.version_label = urllib.parse.unquote(label)
    return spec


def _bad_path(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "bad_path")
