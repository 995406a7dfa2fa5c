"""The gateway's REST: TensorFlow Serving's, as an aiohttp application."""

import asyncio
import logging
import math
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import grpc
from aiohttp import web

from tsd_tf.contract import messages, signatures
from tsd_tf.gateway import coded_json, coded_signature
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.coded_clips import CodedClips
from tsd_tf.gateway.coded_json import CodedRequest
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.limits import Limits
from tsd_tf.gateway.probes import add_probes
from tsd_tf.gateway.refusal import Refusal
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.gateway.rest_answer import RestAnswer
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving import json_outputs
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
_PATH = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?::(\w+)|/(metadata))?", re.IGNORECASE
)
_INT64_MAX = 2**63 - 1
_FORWARDED = ("Content-Type", "Accept")
_METHODS = ("GET", "POST")


class RestFront:
    """Answers HTTP requests; those without coded clips go to the backend as they came.

    Args:
        backends: who are asked.
        coded: who answers requests with coded clips.
        intake: where requests come in.
        limits: of bodies and times.
        tokens: who may ask; None for everybody.
        is_ready: whether /readyz says so.
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

    def application(self) -> web.Application:
        """The aiohttp application: /v1/models..., /healthz and /readyz."""
        app = web.Application()
        add_probes(app, self._is_ready)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        record = RequestRecord("rest", request.remote or "", f"{request.method} {request.rel_url.raw_path}")
        try:
            with self._intake.request(record):
                self._admit(request, record)
                answer = await self._respond(request, await self._body(request, record), record)
                record.status = str(answer.status)
                record.reason = "" if answer.status < 400 else "backend"
            return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
        except ServingError as error:
            return _error(error)
        except Exception:
            _LOG.exception("%s", record.method)
            return web.json_response({"error": "internal error"}, status=500)

    def _admit(self, request: web.Request, record: RequestRecord) -> None:
        """Before the body is read."""
        size = request.content_length
        if self._tokens is not None:
            record.token = self._tokens.name_of(request.headers.get("Authorization"))
            if size is None and request.can_read_body:  # which could not be counted beforehand
                message = "expected a request with Content-Length, which this server counts beforehand"
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "no_length")
            self._tokens.count(record.token, size or 0)
        if (size or 0) > self._limits.max_message_bytes:
            raise self._too_large()

    async def _body(self, request: web.Request, record: RequestRecord) -> bytes:
        try:
            body = await asyncio.wait_for(self._read(request), self._limits.body_seconds)
        except asyncio.TimeoutError as error:
            message = f"the body did not arrive within {self._limits.body_seconds:g} s"
            raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, message, "slow_body") from error
        except web.RequestPayloadError as error:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the body cannot be read", "bad_body") from error
        record.bytes_in = len(body) if request.content_length is None else request.content_length
        return body

    async def _read(self, request: web.Request) -> bytes:
        # Not request.read(), which inflates several times the limit before it looks.
        body = bytearray()
        while part := await request.content.readany():
            body += part
            if len(body) > self._limits.max_message_bytes:
                raise self._too_large()
        return bytes(body)

    async def _respond(self, request: web.Request, body: bytes, record: RequestRecord) -> RestAnswer:
        path = request.rel_url.raw_path
        match = _PATH.fullmatch(path) if request.method in _METHODS else None
        if match is None:
            raise _bad_path(f"Malformed request: {request.method} {path}")
        record.model = urllib.parse.unquote(match[1] or "")
        is_predict = request.method == "POST" and (match[4] or "").lower() == "predict"
        if is_predict and coded_json.may_be_coded(body):
            coded = await asyncio.to_thread(coded_json.read, body)
            if coded is not None:
                record.signature = signatures.CODED
                return await self._coded_clips(_model_spec(record.model, match[2], match[3]), coded, record)
        if is_predict:
            record.codec = "json"
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        with record.asking():
            answer = await self._backends.send(request.method, path, body, headers, self._limits.backend_timeout)
        if match[5] and answer.status == 200:
            return answer._replace(body=coded_signature.add_to_json(answer.body))
        return answer

    async def _coded_clips(self, spec: Any, coded: CodedRequest, record: RequestRecord) -> RestAnswer:
        response = await self._coded.answer(spec, coded.inputs, (), self._limits.backend_timeout, record)
        try:
            outputs = {name: messages.read_tensor(tensor) for name, tensor in response.outputs.items()}
        except ValueError as error:
            raise ServingError(
                grpc.StatusCode.UNIMPLEMENTED, f"an output cannot be written as JSON: {error}"
            ) from error
        return RestAnswer(200, "application/json", json_outputs.outputs_to_json(outputs, coded.row).encode())

    def _too_large(self) -> Refusal:
        limit = self._limits.max_message_bytes
        message = f"the body is larger than the {limit} bytes that this server accepts"
        return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_large")


def _model_spec(name: str, version: str | None, label: str | None) -> Any:
    if not name:
        raise _bad_path("Missing model name in request.")
    spec = messages.ModelSpec(name=name)
    if version:
        if int(version[:20]) > _INT64_MAX:
            raise _bad_path(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = urllib.parse.unquote(label)
    return spec


def _bad_path(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message, "bad_path")


def _error(error: ServingError) -> web.Response:
    headers = {}
    if isinstance(error, Refusal) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": error.message}, status=error.http_status, headers=headers)
