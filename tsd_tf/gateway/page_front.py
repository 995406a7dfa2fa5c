"""The web page by HTTP: its files, and what it has to know of the service."""

import asyncio
import contextlib
import json
import logging
import time
import urllib.parse
from typing import Any

import grpc
from aiohttp import web
from google.protobuf.message import DecodeError

from tsd_tf import models
from tsd_tf.client.served_model import ServedModel
from tsd_tf.contract import messages
from tsd_tf.contract.model_metadata import signatures_of
from tsd_tf.gateway import rest_error
from tsd_tf.gateway.backends import Backends
from tsd_tf.gateway.intake import Intake
from tsd_tf.gateway.page_file import PageFile
from tsd_tf.gateway.page_site import CLIENT_PATH, PageSite
from tsd_tf.gateway.request_record import RequestRecord
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

_LOG = logging.getLogger(__name__)
_SETTINGS_PATH = "/page/settings.json"
_METHODS = ("GET", "HEAD")
_MAX_AGE, _PATIENCE = 5.0, 2.0  # seconds: of what a server tells of its model, and for which it is waited for
_PIECE = 1 << 16  # bytes

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self' blob:",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class PageFront:
    """Answers requests for the page, which need no token.

    Args:
        site: the page.
        backends: whose model it is for.
        intake: where requests come in.
        model_name: the model.
        settings: more of what the page is told, as JSON.
    """

    def __init__(
        self, site: PageSite, backends: Backends, intake: Intake, model_name: str, settings: dict[str, Any]
    ) -> None:
        self._site, self._backends, self._intake = site, backends, intake
        self._model_name = model_name
        name = urllib.parse.quote(model_name, safe="")
        self._settings = {"model_name": model_name, "predict_url": f"v1/models/{name}:predict", **settings}
        self._headers = _HEADERS | (_ISOLATION if site.is_isolated else {})
        self._served: ServedModel | None = None
        self._asked: float | None = None
        self._asking = asyncio.Lock()

    def add_routes(self, app: web.Application) -> None:
        """Adds the paths of the page's files, and all that begin with /page/."""
        for path in (*self._site.paths, "/page/{path:.*}"):
            app.router.add_route("*", path, self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        peer = Peer.of_socket(request.transport.get_extra_info("peername") if request.transport else None)
        record = RequestRecord("page", request.remote or "", f"{request.method} {request.rel_url.raw_path}")
        try:
            with self._intake.request(record, peer) as arrival:
                if request.can_read_body:
                    raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "expected a request without a body", "page_body")
                arrival.whole()
                response, body = self._begin(request, await self._find(request))
                record.status = str(response.status)
        except ServingError as error:
            return rest_error.response(error, {**self._headers, "Allow": ", ".join(_METHODS)})
        except Exception:
            _LOG.exception("the page")
            return web.json_response({"error": "internal error"}, status=500, headers=self._headers)
        # Whoever reads it slowly is none of the requests under way.
        return await _send(request, response, body)

    async def _find(self, request: web.Request) -> PageFile:
        if request.method not in _METHODS:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"expected {' or '.join(_METHODS)}", "method")
        if request.path == _SETTINGS_PATH:
            return PageFile.of(json.dumps(await self._current_settings()).encode(), _SETTINGS_PATH)
        file = self._site.find(request.path)
        if file is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, "the page has no such file", "page_path")
        return file

    def _begin(self, request: web.Request, file: PageFile) -> tuple[web.StreamResponse, bytes]:
        """An answer, and the body that is to be sent with it."""
        response = web.StreamResponse(headers=self._headers)
        response.headers["ETag"] = f'W/"{file.etag}"'
        response.headers["Cache-Control"] = "no-cache"  # it may be kept, and is asked for before it is used
        response.headers["Vary"] = "Accept-Encoding"
        if any(etag.value in (file.etag, "*") for etag in request.if_none_match or ()):
            response.set_status(304)
            return response, b""
        body = file.content
        if file.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", "").lower():
            response.headers["Content-Encoding"] = "gzip"
            body = file.gzipped
        response.headers["Content-Type"] = file.content_type
        response.content_length = len(body)
        return response, b"" if request.method == "HEAD" else body

    async def _current_settings(self) -> dict[str, Any]:
        served, client = await self._served_model(), self._site.client
        problem = note = None
        if served is not None:
            problem = served.mismatch(client.model, len(client.labels))
            if served.version not in (None, client.model.version):
                note = (
                    f"The server answers with version {served.version} of the model, and this page's client half is of "
                    f"version {client.model.version}: they were not tested together."
                )
        return {
            **self._settings,
            "sidecar": json.loads(client.sidecar),
            "labels": client.labels,
            "stride": models.overlapping(client.model.num_frames),
            "client_url": _relative(CLIENT_PATH),
            "samples": [{**sample, "url": _relative(sample["url"])} for sample in self._site.samples],
            "problem": f"The server behind this page {problem}." if problem else None,
            "note": note,
        }

    async def _served_model(self) -> ServedModel | None:
        """What the servers tell of their model, asked for every few seconds at most; None if there is none."""
        async with self._asking:
            if self._asked is None or time.monotonic() - self._asked > _MAX_AGE:
                self._served = await self._ask()
                self._asked = time.monotonic()
            return self._served

    async def _ask(self) -> ServedModel | None:
        request = messages.GetModelMetadataRequest(metadata_field=[messages.SIGNATURE_DEF])
        request.model_spec.name = self._model_name
        try:
            content = await self._backends.call(messages.GET_MODEL_METADATA, request.SerializeToString(), _PATIENCE)
            response = messages.GetModelMetadataResponse.FromString(content)
            return ServedModel.of(signatures_of(response), response.model_spec.version.value)
        except (ServingError, DecodeError):
            return None


def _relative(path: str) -> str:
    """Of the page, which may lie in a folder of a proxy's."""
    return urllib.parse.quote(path.removeprefix("/"))


async def _send(request: web.Request, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    """Sends it piece by piece, as fast as it is read: what waits to be read is held by nobody."""
    with contextlib.suppress(ConnectionError):  # whoever asked is gone
        await response.prepare(request)
        for start in range(0, len(body), _PIECE):
            await response.write(body[start : start + _PIECE])
        await response.write_eof()
    return response
