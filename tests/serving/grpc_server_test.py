"""Health, reflection and the end of a server of gRPC, through real sockets."""

import asyncio
import contextlib
import socket
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tsd_tf.serving import reflection
from tsd_tf.serving.background import Background
from tsd_tf.serving.grpc_server import GrpcServer
from tsd_tf.serving.health import Health
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.listen_address import ListenAddress
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.reflection import Reflection
from tsd_tf.serving.server_intake import ServerIntake
from tsd_tf.serving.serving_error import ServingError

_SERVICE = "tests.Echo"
_Status = health_pb2.HealthCheckResponse


class _Echo(grpc.GenericRpcHandler):
    """Answers a call with its message, after as many seconds as that says."""

    def service(self, handler_call_details):
        async def answer(request, context):
            await asyncio.sleep(float(request))
            return request

        if handler_call_details.method == f"/{_SERVICE}/Say":
            return grpc.unary_unary_rpc_method_handler(answer)
        return None


class _Service:
    def __init__(self, grace, guard, max_watches):
        self._grace, self._guard, self._max_watches = grace, guard, max_watches
        self.address = ListenAddress("127.0.0.1", 0, "grpc")

    async def serve(self, started, stop):
        self.health = Health((_SERVICE,), self._max_watches)
        limits = Limits(shutdown_grace=self._grace)
        intake = ServerIntake(limits, Metrics())
        reflection = Reflection((_SERVICE,), guard=self._guard)
        server = GrpcServer(self.address, self.health, reflection, intake.grpc, limits, intake.grpc_options)
        server.server.add_generic_rpc_handlers([_Echo()])
        await server.start()
        started()
        await stop.wait()
        self.stopping_since = time.monotonic()
        await server.stop()
        self.seconds = time.monotonic() - self.stopping_since


class _Server(Background):
    """`with _Server() as server:`; `server.set(is_serving)` from any thread."""

    def __init__(self, grace=30.0, guard=None, max_watches=100):
        self._own = _Service(grace, guard, max_watches)
        super().__init__(self._own)

    def __enter__(self):
        super().__enter__()
        self.address = str(self._own.address)
        return self

    def set(self, is_serving):
        self._loop.call_soon_threadsafe(self._own.health.set, is_serving)

    @property
    def seconds_to_stop(self):
        return self._own.seconds


def _channel(server):
    return grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])


def _watch(channel, service=""):
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service), timeout=60)


# health


def test_check():
    with _Server() as server, _channel(server) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def check(service):
            return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30).status

        assert {check(""), check(_SERVICE)} == {_Status.NOT_SERVING}
        server.set(True)
        assert {check(""), check(_SERVICE)} == {_Status.SERVING}
        with pytest.raises(grpc.RpcError) as caught:
            check("nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff\xff", timeout=30)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_those_who_watch_are_told():
    with _Server() as server, _channel(server) as channel:
        watches = [_watch(channel), _watch(channel, _SERVICE), _watch(channel, "nothing")]
        assert [next(watch).status for watch in watches] == [
            _Status.NOT_SERVING,
            _Status.NOT_SERVING,
            _Status.SERVICE_UNKNOWN,
        ]
        # One who leaves takes nobody along.
        leaver = _watch(channel)
        next(leaver)
        leaver.cancel()
        for is_serving, status in ((True, _Status.SERVING), (False, _Status.NOT_SERVING), (True, _Status.SERVING)):
            server.set(is_serving)
            server.set(is_serving)
            assert [next(watch).status for watch in watches[:2]] == [status] * 2
        server.stop()
        assert [next(watch).status for watch in watches[:2]] == [_Status.NOT_SERVING] * 2
        for watch in watches:
            with pytest.raises(grpc.RpcError) as caught:
                next(watch)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert caught.value.details() == "the server stops"


def test_watches_are_bounded():
    with _Server(max_watches=2) as server, _channel(server) as channel:
        watches = [_watch(channel) for _ in range(2)]
        for watch in watches:
            next(watch)
        with pytest.raises(grpc.RpcError) as caught:
            next(_watch(channel))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watches.pop().cancel()
        end = time.monotonic() + 30
        while True:  # until the server knows
            with contextlib.suppress(grpc.RpcError):
                assert next(_watch(channel)).status == _Status.NOT_SERVING
                break
            assert time.monotonic() < end


# reflection


def _ask(channel, metadata=(), **fields):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = iter([reflection_pb2.ServerReflectionRequest(**fields)])
    (response,) = stub.ServerReflectionInfo(requests, timeout=30, metadata=metadata)
    return response


def test_reflection():
    with _Server() as server, _channel(server) as channel:
        services = {service.name for service in _ask(channel, list_services="").list_services_response.service}
        assert services == {_SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        response = _ask(channel, file_containing_symbol="grpc.health.v1.Health")
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(content)
            for content in response.file_descriptor_response.file_descriptor_proto
        ]
        (file,) = (file for file in files if file.package == "grpc.health.v1")
        methods = {method.name for method in file.service[0].method}
        assert methods - {"List"} == {"Check", "Watch"}  # newer versions of the protocol list
        assert _ask(channel, file_containing_symbol="no.Such").error_response.error_code == 5
        with pytest.raises(grpc.RpcError) as caught:
            next(
                channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(iter([b"\xff"]))
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_reflection_for_those_who_may():
    @contextlib.contextmanager
    def guard(context, method):
        assert method == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        if dict(context.invocation_metadata()).get("who") != "me":
            raise ServingError(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        yield

    with _Server(guard=guard) as server, _channel(server) as channel:
        assert _ask(channel, metadata=[("who", "me")], list_services="").list_services_response.service
        with pytest.raises(grpc.RpcError) as caught:
            _ask(channel, list_services="")
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_who_asks_no_more_is_sent_away(monkeypatch):
    monkeypatch.setattr(reflection, "_SECONDS", 0.2)
    asked = threading.Event()

    def requests():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        asked.wait(30)

    with _Server() as server, _channel(server) as channel:
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests(), timeout=30)
        next(answers)
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert caught.value.details() == "no message within 0.2 s"
        asked.set()


# the end


@pytest.mark.parametrize("words", [b"", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_connections_half_open_hold_nothing_up(words):
    with contextlib.ExitStack() as stack:
        with _Server() as server:
            host, port = server.address.split(":")
            for _ in range(20):
                connection = stack.enter_context(socket.create_connection((host, int(port))))
                connection.sendall(words)
            with _channel(server) as channel:
                say = channel.unary_unary(f"/{_SERVICE}/Say")
                say(b"0", timeout=30)
                call = say.future(b"1", timeout=30)
                watch = _watch(channel)
                next(watch)
                idle = stack.enter_context(_channel(server))
                grpc.channel_ready_future(idle).result(30)
                server.stop()
                assert call.result() == b"1"  # what is under way is answered
        assert server.seconds_to_stop < 8


def test_what_takes_longer_than_the_grace_is_cut():
    with _Server(grace=1.0) as server, _channel(server) as channel:
        say = channel.unary_unary(f"/{_SERVICE}/Say")
        say(b"0", timeout=30)
        call = say.future(b"60", timeout=90)
        time.sleep(0.5)
        server.stop()
        assert call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert server.seconds_to_stop < 5
