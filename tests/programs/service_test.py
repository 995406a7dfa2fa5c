"""The server and the gateway as those see them who run them for weeks: addresses, logs, rollouts and the end."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tsd_tf.contract import messages

pytestmark = pytest.mark.slow

_PROGRAMS = {
    "serving": ["--port=0", "--rest_port=0"],
    "gateway": ["--port=0", "--rest_port=0", "--admin_port=0", "--decoders=1"],
}
_Status = health_pb2.HealthCheckResponse
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.fspath(pathlib.Path(__file__).parents[2])}
_FRAMES = np.full((1, 4, 16, 16, 3), 100, "uint8")


class _Program:
    """`with _Program("serving", "--flag") as program:` runs it until the end, or until it is told to stop."""

    def __init__(self, name, *flags, folder=None):
        self._folder = folder
        self._command = [sys.executable, "-m", f"tsd_tf.{name}", *_PROGRAMS[name], *flags]

    def __enter__(self):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(self._command, **pipes, text=True, cwd=self._folder, env=_ENVIRONMENT)
        self.line = self.process.stdout.readline().strip()
        match = re.search(r"gRPC (\S+), REST ([^\s,]+)", self.line)
        assert match, self.line + self.process.stderr.read()
        self.address, self.url = match.groups()
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def stop(self, number=signal.SIGTERM, timeout=60):
        """Seconds until the end; `code`, `rest` and `errors` are what it left."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.rest, self.errors = self.process.communicate(timeout=timeout)
        self.code = self.process.returncode
        return time.monotonic() - start

    def channel(self):
        return grpc.insecure_channel(self.address, [("grpc.use_local_subchannel_pool", 1)])

    def connect(self):
        """A socket to REST."""
        if self.url.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.url.removeprefix("unix:"))
            return connection
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout=30)

    def status(self):
        """Status of HTTP and the states of all versions."""
        with self.connect() as connection:
            connection.sendall(b"GET /v1/models/tsd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            response = http.client.HTTPResponse(connection)
            response.begin()
            states = json.load(response)["model_version_status"]
            return response.status, {int(state["version"]): state["state"] for state in states}

    def until_it_serves(self, version):
        end = time.monotonic() + 60
        while self.status()[1].get(version) != "AVAILABLE":
            assert time.monotonic() < end
            time.sleep(0.05)


def _request():
    return messages.predict_request("tsd", "serving_default", {"frames": _FRAMES}).SerializeToString()


def _version(answer):
    return messages.PredictResponse.FromString(answer).model_spec.version.value


@pytest.fixture
def folder(tmp_path, small_model):
    """A model folder with version 1."""
    shutil.copytree(small_model / "1", tmp_path / "models/1")
    return tmp_path / "models"


def _put(folder, version):
    """A version as it should come: whole."""
    shutil.copytree(folder / "1", folder / f".{version}")
    (folder / f".{version}").rename(folder / str(version))


def _needs_ipv6():
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")


def _can_be_described(channel):
    """By reflection, as grpcurl does it."""
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"tensorflow.serving.{name}")
            for name in ("PredictionService", "ModelService", "PredictRequest")
        ),
    ]
    services, *files = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
        iter(requests), timeout=30
    )
    assert {service.name for service in services.list_services_response.service} == {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert all(response.file_descriptor_response.file_descriptor_proto for response in files)


@pytest.mark.parametrize("program", _PROGRAMS)
@pytest.mark.parametrize("host", ["unix:sockets", "::"])
def test_what_is_printed_is_where_clients_find_it(program, host, small_model, tmp_path):
    if host == "::":
        _needs_ipv6()
    flags = [f"--model_dir={small_model}", f"--host={host}"]
    if program == "gateway" and host == "::":
        flags.append("--behind_proxy")
    with _Program(program, *flags, folder=tmp_path) as it:
        if host.startswith("unix"):
            assert (it.address, it.url) == tuple(f"unix:{tmp_path}/sockets/{name}.sock" for name in ("grpc", "rest"))
        else:
            assert re.fullmatch(r"\[::1\]:\d+", it.address)
            assert re.fullmatch(r"http://\[::1\]:\d+", it.url)
        assert ("on every address of this machine" in it.line) is (host == "::")
        for address in (it.address, it.address.replace("[::1]", "127.0.0.1") if host == "::" else it.address):
            with grpc.insecure_channel(address) as channel:
                assert _version(channel.unary_unary(messages.PREDICT)(_request(), timeout=30)) == 1
                _can_be_described(channel)
        assert it.status() == (200, {1: "AVAILABLE"})
        assert it.stop() < 30
        assert it.code == 0
        assert not list(tmp_path.glob("sockets/*"))


@pytest.mark.parametrize("program", _PROGRAMS)
def test_versions_roll_under_load(program, folder):
    """Up, down and up again, while clients ask both protocols without a pause: every one is answered."""
    with _Program(program, f"--model_dir={folder}") as it, contextlib.ExitStack() as stack:
        over, seen, failed = threading.Event(), set(), []

        def ask():
            with it.channel() as channel:
                predict = channel.unary_unary(messages.PREDICT)
                while not over.is_set():
                    try:
                        seen.add(_version(predict(_request(), timeout=60)))
                    except grpc.RpcError as error:
                        failed.append(str(error))

        def ask_rest():
            connection = http.client.HTTPConnection(*it.url.removeprefix("http://").split(":"), timeout=60)
            body = json.dumps({"instances": _FRAMES.tolist()})
            while not over.is_set():
                connection.request("POST", "/v1/models/tsd:predict", body)
                response = connection.getresponse()
                if response.status != 200:
                    failed.append(response.read())
                response.read()

        threads = stack.enter_context(concurrent.futures.ThreadPoolExecutor(4))
        stack.callback(over.set)
        asking = [threads.submit(work) for work in (ask, ask, ask_rest)]
        for version in (2, 3):
            _put(folder, version)
            it.until_it_serves(version)
        shutil.rmtree(folder / "3")
        it.until_it_serves(2)
        _put(folder, 4)
        it.until_it_serves(4)
        time.sleep(0.2)
        over.set()
        for work in asking:
            work.result()
        assert failed == []
        assert seen == {1, 2, 3, 4}


def test_a_dangling_link_ends_nothing(folder):
    with _Program("serving", f"--model_dir={folder}", "--poll_seconds=0.1", "--verbosity=-1") as it:
        (folder / "2").mkdir()
        shutil.copy(folder / "1/saved_model.pb", folder / "2")
        (folder / "2/assets").symlink_to("/nowhere")
        time.sleep(1)
        shutil.rmtree(folder / "2")
        _put(folder, 3)
        it.until_it_serves(3)
        it.stop()
        assert " ERROR version 2 of tsd cannot be loaded: " in it.errors
        assert " INFO " not in it.errors


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_keeps_it_from_starting(log_format):
    command = [sys.executable, "-m", "tsd_tf.serving", "--version_labels=stable", f"--log_format={log_format}"]
    found = subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, timeout=120)
    expected = "--version_labels must be label:version,... Received: --version_labels=stable"
    assert found.returncode == 1
    if log_format == "text":
        assert found.stderr == f"error: {expected}\n"
    else:
        line = json.loads(found.stderr)
        assert line.pop("time").endswith("+00:00")
        assert line == {"event": "failed", "level": "ERROR", "message": expected}


@pytest.mark.parametrize("program", _PROGRAMS)
def test_the_log_as_json(program, folder):
    with _Program(program, f"--model_dir={folder}", "--log_format=json") as it:
        (folder / "2").mkdir()
        (folder / "2/saved_model.pb").write_bytes(b"broken\n\xff")
        with it.channel() as channel:
            for _ in range(3):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(messages.PREDICT)(b"", timeout=30)
        end = time.monotonic() + 30
        while 2 not in it.status()[1]:
            assert time.monotonic() < end
        _put(folder, 3)
        it.until_it_serves(3)
        shutil.rmtree(folder / "3")
        it.until_it_serves(1)
        it.stop()
    lines = [json.loads(line) for line in it.errors.splitlines()]
    assert {"time", "level", "event", "message"} <= set.intersection(*map(set, lines))
    events = [line for line in lines if line["event"] not in ("requests_refused", "backend")]
    assert [(line["event"], line["version"]) for line in events[:2]] == [("version_loaded", 1), ("version_failed", 2)]
    assert events[1]["reason"].startswith("DecodeError")
    assert events[1]["level"] == "ERROR"
    assert [(line["event"], line["version"]) for line in events[2:]] == [
        ("version_loaded", 3),
        ("version_unloaded", 1),
        ("version_loaded", 1),
        ("rolled_back", 1),
        ("version_unloaded", 3),
    ]
    refused = [line["reasons"] for line in lines if line["event"] == "requests_refused"]
    assert sum(sum(reasons.values()) for reasons in refused) >= 3
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", times[0])


def test_the_log_as_text(folder):
    with _Program("serving", f"--model_dir={folder}") as it:
        it.stop()
        assert re.fullmatch(
            r"\S+T\S+ INFO version 1 of tsd is loaded, in \d+\.\d s: float32 by tensorflow\n", it.errors
        )


@pytest.mark.parametrize("program", _PROGRAMS)
def test_the_end_is_not_held_up(program, small_model):
    """Not by 50 idle connections, by some half open, or by those who watch; what is under way is answered."""
    with (
        _Program(program, f"--model_dir={small_model}", "--shutdown_grace=20") as it,
        contextlib.ExitStack() as stack,
        it.channel() as channel,
    ):
        idle = []
        for _ in range(50):
            connection = http.client.HTTPConnection(*it.url.removeprefix("http://").split(":"), timeout=30)
            stack.callback(connection.close)
            connection.request("GET", "/v1/models/tsd")
            assert connection.getresponse().read()
            idle.append(connection.sock)
        for words in (b"", b"POST /v1/models/tsd:predict HTT", b"PRI * HTTP/2.0\r\n"):
            stack.enter_context(it.connect()).sendall(words)
            host, port = it.address.split(":")
            stack.enter_context(socket.create_connection((host, int(port)))).sendall(words)
        for _ in range(5):
            other = stack.enter_context(it.channel())
            grpc.channel_ready_future(other).result(30)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == _Status.SERVING
        answer = channel.unary_unary(messages.PREDICT).future(_request(), timeout=30)
        assert it.stop() < 15
        assert it.code == 0
        assert next(watch).status == _Status.NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert _version(answer.result()) == 1
        assert [connection.recv(1) for connection in idle] == [b""] * 50


@pytest.mark.parametrize("program", _PROGRAMS)
def test_a_request_that_never_ends_gets_the_grace(program, small_model):
    with (
        _Program(program, f"--model_dir={small_model}", "--shutdown_grace=2") as it,
        it.connect() as connection,
        it.channel() as channel,
    ):
        connection.sendall(b"POST /v1/models/tsd:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        over = threading.Event()

        def nothing():
            over.wait(60)
            yield b""

        call = channel.stream_unary(messages.PREDICT).future(nothing(), timeout=60)
        time.sleep(0.5)
        assert 1 < it.stop() < 12
        over.set()
        assert it.code == 0
        assert call.code() is not grpc.StatusCode.OK
        assert "Traceback" not in it.errors


@pytest.mark.parametrize("program", _PROGRAMS)
def test_a_second_signal_ends_it_at_once(program, small_model, tmp_path, monkeypatch):
    monkeypatch.setitem(_ENVIRONMENT, "TMPDIR", os.fspath(tmp_path))
    with _Program(program, f"--model_dir={small_model}") as it, it.connect() as connection:
        connection.sendall(b"POST /v1/models/tsd:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.5)
        it.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert it.process.poll() is None  # 30 seconds to go
        assert {path.name.startswith("tsd-gateway-") for path in tmp_path.iterdir()} == {True} - {program == "serving"}
        assert it.stop(signal.SIGINT) < 10
        assert it.code == 130
    assert not list(tmp_path.iterdir())


def test_a_signal_while_the_model_is_loaded(folder):
    """Which takes as long as it takes: here until somebody writes to a pipe."""
    (folder / "1/assets.extra").mkdir()
    script = (
        "import tsd_tf.serving.model_store as it, time; it.Servable = lambda *args: time.sleep(600)\n"
        "from tsd_tf.programs.serve import start; start()"
    )
    path = folder.parent / "sockets"
    command = [sys.executable, "-c", script, f"--model_dir={folder}", f"--host=unix:{path}"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        grpc.insecure_channel(f"unix:{path}/grpc.sock") as channel,
    ):
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
            assert next(watch).status == _Status.NOT_SERVING
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(messages.PREDICT)(_request(), timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert caught.value.details() == "tsd is being loaded"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()


def test_the_gateways_own_server_is_nobody_elses(small_model):
    """It asks for no token, so it is not on a port of this machine."""
    with _Program("gateway", f"--model_dir={small_model}") as it:
        listening = set()
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(fields[9])
        own = {
            os.readlink(path).removeprefix("socket:[").removesuffix("]")
            for path in pathlib.Path(f"/proc/{it.process.pid}/fd").iterdir()
            if os.readlink(path).startswith("socket:[")
        }
        assert len(own & listening) == 2  # REST and metrics; gRPC's is among those of IPv6
        it.stop()
        assert it.code == 0
