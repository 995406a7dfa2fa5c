"""Certificates, and servers with TLS that answer as they are told."""

import concurrent.futures
import contextlib
import http.server
import json
import socket
import ssl
import threading
import types

import grpc
import numpy as np
import pytest

from benchmarks.authority import Authority
from tsd_tf.contract import messages, signatures


class _Files(Authority):
    """An authority with a folder: `ca` is the file of its own certificate."""

    def __init__(self, folder):
        super().__init__(f"the authority of {folder.name}")
        self._folder = folder
        (folder / "ca.pem").write_bytes(self.pem)
        self.ca = str(folder / "ca.pem")

    def certificate(self, name, days=1, **options):
        """(file of the certificate, file of its key); valid until `days` from now."""
        return tuple(map(str, self.write(self._folder, name, name=name, days=(-10, days), **options)))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return _Files(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def another_authority(tmp_path_factory):
    return _Files(tmp_path_factory.mktemp("another_authority"))


class RefusalError(Exception):
    """What a server answers in place of probabilities: gRPC's status, HTTP's, a text and a header."""

    def __init__(self, code, status, text, retry_after=None):
        super().__init__(text)
        self.code, self.status, self.text, self.retry_after = code, status, text, retry_after


@pytest.fixture
def start_server():
    """Starts real servers of gRPC or REST, which answer as `answer(authorization)` does: nothing, or a RefusalError."""
    running = []

    def start(protocol, answer=lambda authorization: None, certificate=None, client_ca=None):
        starts = _start_grpc if protocol == "grpc" else _start_rest
        server = starts(answer, certificate, client_ca)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def _start_grpc(answer, certificate, client_ca):
    def predict(request, context):
        try:
            answer(dict(context.invocation_metadata()).get("authorization"))
        except RefusalError as refusal:
            if refusal.retry_after is not None:
                context.set_trailing_metadata((("retry-after", refusal.retry_after),))
            context.abort(refusal.code, refusal.text)
        response = messages.PredictResponse()
        response.model_spec.version.value = 7
        messages.write_tensor(response.outputs[signatures.PROBABILITIES], np.array([[0.25, 0.75]], np.float32))
        messages.write_tensor(response.outputs[signatures.CLASSES], np.array([[b"one", b"zero"]], object))
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        predict, messages.PredictRequest.FromString, messages.PredictResponse.SerializeToString
    )
    _, service, method = messages.PREDICT.split("/")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = [tuple(_read(path) for path in reversed(certificate))]
        ca = client_ca and _read(client_ca)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair, ca, bool(ca)))
    server.start()
    return types.SimpleNamespace(port=port, stop=lambda: server.stop(None).wait())


def _start_rest(answer, certificate, client_ca):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = 200, {}
            body = {"outputs": {"probabilities": [[0.25, 0.75]], "classes": [["one", "zero"]]}}
            try:
                answer(self.headers.get("Authorization"))
            except RefusalError as refusal:
                status, body = refusal.status, {"error": refusal.text}
                headers = {} if refusal.retry_after is None else {"Retry-After": refusal.retry_after}
                if status == 307:
                    headers["Location"] = refusal.text
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # handshakes that fail are what is tested

        def finish_request(self, request, client_address):
            # Here, in the request's own thread, so that one slow handshake keeps nobody else waiting.
            if certificate is not None:
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    return types.SimpleNamespace(port=server.server_port, stop=stop)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.fixture
def raw_server():
    """A function: listens, and calls `handle(connection)` with every socket that connects, which is closed afterwards.

    Its value is the port.
    """
    listening = []

    def start(handle):
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def answer(connection):
            with connection, contextlib.suppress(OSError):
                handle(connection)
                # A socket closed before the whole request is read resets the connection, and the answer may be lost.
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while connection.recv(1 << 16):
                    pass

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1]

    yield start
    for server in listening:
        server.close()


@pytest.fixture(scope="session")
def refusal():
    return RefusalError
