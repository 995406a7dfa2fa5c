"""The web page as a running gateway serves it, and what it is made of; the page itself is a small stand-in."""

import contextlib
import dataclasses
import gzip
import hashlib
import http.client
import json
import os
import socket
import ssl
import time
import types

import pytest

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.gateway import page_site, tokens
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.certificates import Certificates
from tsd_tf.gateway.page_site import PageSite
from tsd_tf.gateway.tokens import Tokens

_INDEX = b"<!doctype html><title>page</title>"
_WASM = b"\0asm" + bytes(300_000)


@pytest.fixture
def export(tmp_path):
    """A function: writes a client half that fits the model of `small_server`, with changes; its folder."""
    folder = tmp_path / "export"

    def write(contents=b"a client half", num_labels=4, **changes):
        variant = signatures.Variant("float32", "client.tflite", len(contents), "", *[0.0] * 6)
        variant = dataclasses.replace(variant, sha256=hashlib.sha256(contents).hexdigest())
        sizes = {"num_frames": 8, "num_distilled_frames": 4, "frame_size": 16, "short_side": 16}
        model = signatures.ClientModel(
            **{"version": 1, "method": "tsd", **sizes, "frames_per_second": 25.0, "num_classes": num_labels} | changes,
            feature_shape=None,
            signatures=("distill",),
            variants=(variant,),
        )
        folder.mkdir(exist_ok=True)
        (folder / "client.tflite").write_bytes(contents)
        (folder / "client.json").write_text(model.to_json())
        (folder / "labels.txt").write_text("".join(f"class {index}\n" for index in range(num_labels)))
        return folder

    return write


@pytest.fixture
def built(tmp_path):
    """A page as `make web` leaves it."""
    folder = tmp_path / "page"
    (folder / "wasm").mkdir(parents=True)
    (folder / "index.html").write_bytes(_INDEX)
    (folder / "main.js").write_text("export {};")
    (folder / "wasm/lite.wasm").write_bytes(_WASM)
    (folder / "wasm/lite.wasm.gz").write_bytes(gzip.compress(_WASM))
    return folder


@pytest.fixture
def samples(tmp_path):
    """A folder of two videos in folders of their classes, one beside them, and what is no video of browsers."""
    folder = tmp_path / "samples"
    for name in ("long jump/a 1.mp4", "long jump/b.webm", "kick/c.mp4", "own.mp4", "kick/d.avi", "list.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture
def serve(export, built, samples, small_server, wire):
    """A function: a gateway with the page, started; `served.ask(path, method, headers, body)` is one request."""
    running = []

    def start(changes=None, is_isolated=True, context=None, **options):
        site = PageSite(export(**changes or {}), samples, is_isolated=is_isolated, built=built)
        gateway = BackgroundGateway(wire.backend(small_server), page=site, **options)
        running.append(gateway)
        gateway.__enter__()
        host, port = gateway.url.rpartition("//")[2].split(":")

        def ask(path, method="GET", headers=None, body=None):
            """The path goes out as it is: `urllib` would tidy it up."""
            kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
            connection = kind(host, int(port), timeout=30, **({"context": context} if context else {}))
            try:
                connection.putrequest(method, path, skip_accept_encoding=True)
                for name, value in {**(headers or {}), **({"Content-Length": str(len(body))} if body else {})}.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                return types.SimpleNamespace(status=answer.status, body=answer.read(), headers=answer.headers)
            finally:
                connection.close()

        return types.SimpleNamespace(gateway=gateway, ask=ask, host=host, port=int(port))

    yield start
    for gateway in running:
        gateway.__exit__(None, None, None)


def _num_bytes_until_its_end(connection):
    num_bytes = 0
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            num_bytes += len(part)
    return num_bytes


def _settings(served):
    return json.loads(served.ask("/page/settings.json").body)


@pytest.mark.slow
class TestServed:
    """By HTTP."""

    def test_files_have_their_types(self, serve):
        served = serve()
        for path, content, content_type in (
            ("/", _INDEX, "text/html; charset=utf-8"),
            ("/index.html", _INDEX, "text/html; charset=utf-8"),
            ("/main.js?x=1", b"export {};", "text/javascript; charset=utf-8"),
            ("/wasm/lite.wasm", _WASM, "application/wasm"),
            ("/page/client.tflite", b"a client half", "application/octet-stream"),
            ("/page/samples/long%20jump/a%201.mp4", b"long jump/a 1.mp4", "video/mp4"),
            ("/page/samples/long%20jump/b.webm", b"long jump/b.webm", "video/webm"),
        ):
            answer = served.ask(path)
            assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, content, content_type), path

    def test_compressed_where_the_browser_takes_it(self, serve):
        served = serve()
        answer = served.ask("/wasm/lite.wasm", headers={"Accept-Encoding": "gzip, br"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (len(answer.body) < 1000, gzip.decompress(answer.body)) == (True, _WASM)
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert served.ask("/main.js", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] is None
        assert served.ask("/wasm/lite.wasm.gz").status == 400  # none of the page's paths: as without the page

    def test_what_is_known_is_not_sent_again(self, serve):
        served = serve()
        first = served.ask("/wasm/lite.wasm")
        assert first.headers["Cache-Control"] == "no-cache"
        again = served.ask("/wasm/lite.wasm", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert served.ask("/main.js", headers={"If-None-Match": first.headers["ETag"]}).status == 200
        head = served.ask("/wasm/lite.wasm", "HEAD")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(_WASM)))

    @pytest.mark.parametrize("is_isolated", [True, False])
    def test_every_answer_is_strict(self, serve, is_isolated):
        served = serve(is_isolated=is_isolated)
        for path in ("/", "/wasm/lite.wasm", "/page/settings.json", "/page/nothing"):
            headers = served.ask(path).headers
            policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
            assert policy["default-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
            assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
            assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
            assert "unsafe-inline" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["Permissions-Policy"].startswith("camera=(self), microphone=()")
            isolation = headers["Cross-Origin-Opener-Policy"], headers["Cross-Origin-Embedder-Policy"]
            assert isolation == (("same-origin", "require-corp") if is_isolated else (None, None))

    @pytest.mark.parametrize(
        "path",
        [
            "/page/../client.json",
            "/page/samples/../../export/labels.txt",
            "/page/samples/%2e%2e/%2e%2e/export/labels.txt",
            "/page/samples/..%2f..%2fexport%2flabels.txt",
            "/page/samples//etc/passwd",
            "/page/samples/kick/d.avi",
            "/page/samples/list.csv",
            "/page/samples",
            "/page/",
            "/page/client.json%00",
            "/page/" + "x" * 5000,
            "/../main.js",
            "//main.js",
            "/wasm/",
        ],
    )
    def test_nothing_else_is_served(self, serve, path):
        answer = serve().ask(path)
        assert answer.status in (400, 404)
        assert "error" in json.loads(answer.body)

    def test_methods_and_bodies(self, serve):
        served = serve()
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            for path in ("/", "/page/settings.json", "/page/nothing"):
                answer = served.ask(path, method)
                assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        answer = served.ask("/", body=b"x" * 100)
        assert (answer.status, json.loads(answer.body)) == (400, {"error": "expected a request without a body"})

    def test_settings(self, serve, export):
        served = serve()
        found = _settings(served)
        assert found.pop("sidecar") == json.loads((export() / "client.json").read_text())
        assert "h264" in found["codecs"]
        del found["codecs"]
        assert found == {
            "model_name": "tsd",
            "predict_url": "v1/models/tsd:predict",
            "token_required": False,
            "labels": ["class 0", "class 1", "class 2", "class 3"],
            "stride": 4,
            "client_url": "page/client.tflite",
            "samples": [
                {"url": "page/samples/own.mp4", "label": "own"},
                {"url": "page/samples/kick/c.mp4", "label": "kick"},
                {"url": "page/samples/long%20jump/a%201.mp4", "label": "long jump"},
                {"url": "page/samples/long%20jump/b.webm", "label": "long jump"},
            ],
            "problem": None,
            "note": None,
        }

    @pytest.mark.parametrize(
        ("changes", "problem", "note"),
        [
            (
                {"frame_size": 32},
                "The server behind this page serves a model of clips of 4 frames of 16 x 16, and this client half "
                "makes them of 4 frames of 32 x 32: they are of different exports.",
                None,
            ),
            ({"num_labels": 5}, "serves a model of 4 classes, and the labels.txt of this client has 5", None),
            ({"version": 2}, None, "The server answers with version 1 of the model, and this page's client half is of"),
        ],
    )
    def test_an_export_that_is_not_the_servers(self, serve, changes, problem, note):
        # What `small_server` tells of its classes is their number: it has 4, one a frame.
        found = _settings(serve(changes))
        for text, said in ((problem, found["problem"]), (note, found["note"])):
            assert said is None if text is None else text in said

    def test_without_a_server(self, export, built, serve, wire, small_server):
        gone = types.SimpleNamespace(address="127.0.0.1:1", url="http://127.0.0.1:1")
        with BackgroundGateway(wire.backend(gone), page=PageSite(export(), built=built)) as gateway:
            status, body, _ = wire.http(f"{gateway.url}/page/settings.json")
            found = json.loads(body)
            assert (status, found["problem"], found["note"], found["samples"]) == (200, None, None, [])

    def test_the_page_needs_no_token_and_predictions_do(self, serve, tmp_path, wire, clips, authority):
        (tmp_path / "tokens").write_text(tokens.TokenEntry("phone", tokens.sha256("right")).line() + "\n")
        context = ssl.create_default_context(cadata=authority.pem.decode())
        certificates = Certificates(*authority.write(tmp_path))
        served = serve(context=context, certificates=certificates, tokens=Tokens(tmp_path / "tokens"))
        assert served.ask("/").body == _INDEX
        assert served.ask("/wasm/lite.wasm").body == _WASM
        settings = _settings(served)
        assert settings["token_required"] is True
        body = json.dumps(wire.coded_json(wire.coded(clips[:1]))).encode()
        for headers, status in (({}, 401), ({"Authorization": "Bearer right"}, 200)):
            answer = served.ask(f"/{settings['predict_url']}", "POST", headers, body)
            assert answer.status == status
        assert served.ask("/nothing").status == 401

    def test_log_and_metrics_call_it_the_page(self, serve, tmp_path, wire):
        served = serve(access_log=tmp_path / "log")
        for path, method in (
            ("/", "GET"),
            ("/page/nothing?token=x", "GET"),
            ("/page/" + "y" * 1000, "GET"),
            ("/", "PUT"),
        ):
            served.ask(path, method)
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert [(line["protocol"], line["status"], line["reason"]) for line in lines] == [
            ("page", "200", ""),
            ("page", "404", "page_path"),
            ("page", "404", "page_path"),
            ("page", "405", "method"),
        ]
        assert all(len(line["method"]) <= 256 for line in lines)
        page = wire.http(f"{served.gateway.admin_url}/metrics")[1].decode()
        assert 'tsd_gateway_requests_total{protocol="page",status="404"} 2.0' in page
        assert "tsd_gateway_request_seconds_count 0.0" in page

    def test_whoever_reads_slowly_holds_nobody_up(self, serve, wire, clips, built):
        (built / "wasm/large.bin").write_bytes(bytes(32 << 20))
        from tsd_tf.gateway.limits import Limits

        served = serve(limits=Limits(max_concurrent_requests=2, body_seconds=1.0))
        connections = [socket.create_connection((served.host, served.port), timeout=30) for _ in range(6)]
        try:
            for connection in connections:
                connection.sendall(b"GET /wasm/large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
            body = json.dumps(wire.coded_json(wire.coded(clips[:1]))).encode()
            assert served.ask("/v1/models/tsd:predict", "POST", body=body).status == 200
            time.sleep(2)  # in which they read nothing
            for connection in connections:
                assert _num_bytes_until_its_end(connection) < 32 << 20
        finally:
            for connection in connections:
                connection.close()

    def test_a_new_export_is_noticed(self, serve, export, monkeypatch, caplog):
        monkeypatch.setattr(page_site, "_SECONDS_BETWEEN_LOOKS", 0.0)
        served = serve()
        etag = served.ask("/page/client.tflite").headers["ETag"]
        (export() / "client.tflite").write_bytes(b"half a client half")
        assert served.ask("/page/client.tflite").body == b"a client half"  # which belongs to the sidecar
        assert "is not the file that" in caplog.text
        export(b"another one", version=7)
        answer = served.ask("/page/client.tflite", headers={"If-None-Match": etag})
        assert (answer.status, answer.body) == (200, b"another one")
        assert _settings(served)["sidecar"]["version"] == 7

    def test_without_the_page_nothing_changes(self, small_server, wire):
        with BackgroundGateway(wire.backend(small_server)) as gateway:
            for path in ("/", "/page/settings.json"):
                status, body, headers = wire.http(gateway.url + path)
                assert (status, json.loads(body)) == (400, {"error": f"Malformed request: GET {path}"})
                assert headers["Content-Security-Policy"] is None


def test_samples_are_few_and_of_every_folder(export, built, tmp_path):
    for label in "abc":
        (tmp_path / "many" / label).mkdir(parents=True)
        for index in range(20):
            (tmp_path / "many" / label / f"{index:02}.mp4").write_bytes(b"x")
    os.truncate(tmp_path / "many/a/00.mp4", (16 << 20) + 1)
    found = PageSite(export(), tmp_path / "many", built=built).samples
    assert len(found) == 24
    assert [sample["url"] for sample in found[:4]] == [
        f"/page/samples/{name}.mp4" for name in ("a/01", "b/00", "c/00", "a/02")
    ]


def test_mistakes(export, built, tmp_path):
    with pytest.raises(UserError, match="the web page is not built: `make web` builds it"):
        PageSite(export(), built=tmp_path / "nowhere")
    with pytest.raises(UserError, match="no client half: looked for"):
        PageSite(tmp_path / "nowhere", built=built)
    with pytest.raises(UserError, match=r"`page_samples` must be a folder with videos that browsers play \(.mp4,"):
        PageSite(export(), tmp_path, built=built / "wasm" / "..")
