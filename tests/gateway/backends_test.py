"""Servers behind the gateway that go, come back, are slow or change their model: real ones, on real ports."""

import contextlib
import json
import socket
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.limits import Limits
from tsd_tf.serving.limits import Limits as ServerLimits
from tsd_tf.serving.server import BackgroundServer

pytestmark = pytest.mark.slow

_QUICK = Limits(health_seconds=0.2)
_NOBODY = BackendAddress.parse("127.0.0.1:9:9")


def _until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_ready(gateway, wire):
    return wire.http(f"{gateway.admin_url}/readyz")[0] == 200


def _is_serving(gateway):
    with grpc.insecure_channel(gateway.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def _classes(response, wire):
    return [row[0] for row in wire.outputs(response)["classes"]]


def test_one_that_goes_is_replaced_by_the_other(small_model, small_server, wire, clips):
    with contextlib.ExitStack() as stack:
        first = BackgroundServer(small_model)
        stack.enter_context(first)
        gateway = stack.enter_context(BackgroundGateway(wire.backend(first, small_server)))  # looks every 5 s
        stub = wire.stub(gateway)
        request = wire.request("coded", **wire.coded(clips))
        for _ in range(4):
            assert _classes(stub.Predict(request, timeout=30), wire) == [b"3", b"0", b"2"]
        first.stop()
        for _ in range(6):
            assert _classes(stub.Predict(request, timeout=30), wire) == [b"3", b"0", b"2"]
            body = {"instances": clips.tolist()}
            status, answer, _ = wire.http(f"{gateway.url}/v1/models/tsd:predict", body)
            assert status == 200
            assert [row["classes"][0] for row in json.loads(answer)["predictions"]] == ["3", "0", "2"]
        _until(lambda: b"tsd_gateway_backends_healthy 1.0" in wire.http(f"{gateway.admin_url}/metrics")[1])


def test_all_gone_is_said_at_once(wire, clips):
    with BackgroundGateway([_NOBODY, _NOBODY]) as gateway:
        start = time.monotonic()
        text = "none of the 2 servers behind this gateway is available"
        for signature, inputs in (("", {"frames": clips}), ("coded", wire.coded(clips))):
            with pytest.raises(grpc.RpcError) as caught:
                wire.stub(gateway).Predict(wire.request(signature, **inputs), timeout=30)
            assert (caught.value.code().name, caught.value.details()) == ("UNAVAILABLE", text)
            assert dict(caught.value.trailing_metadata())["retry-after"] == "5"
        for path, body in (
            (":predict", {"instances": clips.tolist()}),
            (":predict", wire.coded_json(wire.coded(clips))),
        ):
            status, answer, headers = wire.http(f"{gateway.url}/v1/models/tsd{path}", body)
            assert (status, json.loads(answer), headers["Retry-After"]) == (503, {"error": text}, "5")
        assert time.monotonic() - start < 15
        assert wire.http(f"{gateway.url}/healthz")[0] == 200
        assert wire.http(f"{gateway.url}/readyz")[0] == 503
        assert not _is_serving(gateway)


def test_one_that_comes_back_is_asked_again(small_model, wire, clips):
    with BackgroundServer(small_model) as server:
        (address,) = wire.backend(server)
        _, port, rest_port = str(address).split(":")
    with BackgroundGateway([address], limits=_QUICK) as gateway:
        stub, request = wire.stub(gateway), wire.request(frames=clips)
        assert wire.code_of(stub.Predict, request)[0] == "UNAVAILABLE"
        with BackgroundServer(small_model, port=int(port), rest_port=int(rest_port)):
            _until(lambda: _is_ready(gateway, wire))
            assert _is_serving(gateway)
            assert _classes(stub.Predict(request, timeout=30), wire) == [b"3", b"0", b"2"]


def test_a_model_that_is_not_there_makes_a_server_unhealthy(small_server, wire, clips):
    with BackgroundGateway(wire.backend(small_server), "another") as gateway:
        assert wire.code_of(wire.stub(gateway).Predict, wire.request(frames=clips))[0] == "UNAVAILABLE"


def test_one_that_is_slow_costs_its_own_requests(small_model, small_server, wire, clips):
    # It lets every request wait for others for a minute.
    with BackgroundServer(small_model, limits=ServerLimits(batch_timeout=60.0)) as slow:
        limits = Limits(backend_timeout=0.5)
        with BackgroundGateway(wire.backend(slow), limits=limits) as gateway:
            stub, request = wire.stub(gateway), wire.request("coded", **wire.coded(clips))
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            status, answer, _ = wire.http(f"{gateway.url}/v1/models/tsd:predict", {"instances": clips.tolist()})
            assert (status, json.loads(answer)) == (504, {"error": "no answer within 0.5 s"})
            assert wire.http(f"{gateway.url}/v1/models/tsd")[0] == 200
        with BackgroundGateway(wire.backend(slow, small_server)) as gateway:
            stub = wire.stub(gateway)
            waiting = stub.Predict.future(request, timeout=60)
            while _is_answered(waiting):  # until one has gone to the slow one
                waiting = stub.Predict.future(request, timeout=60)
            # That one is busy, so the others go past it.
            for _ in range(10):
                assert _classes(stub.Predict(request, timeout=30), wire) == [b"3", b"0", b"2"]
            assert not waiting.done()
            waiting.cancel()


def _is_answered(call):
    try:
        return bool(call.result(timeout=3))
    except grpc.FutureTimeoutError:
        return False


def test_a_version_that_takes_other_clips_is_taken_up(tmp_path, save_model, wire, clips):
    save_model(tmp_path / "1", num_frames=4)
    with (
        BackgroundServer(tmp_path, poll_seconds=0.1) as server,
        BackgroundGateway(wire.backend(server), limits=_QUICK) as gateway,
    ):
        stub = wire.stub(gateway)
        four, three = (wire.request("coded", **wire.coded(part)) for part in (clips, clips[:, :3]))
        assert _classes(stub.Predict(four, timeout=30), wire) == [b"3", b"0", b"2"]
        code, text = wire.code_of(stub.Predict, three)
        assert (code, "expected an order of 4 frames" in text) == ("INVALID_ARGUMENT", True)
        save_model(tmp_path / "2", num_frames=3)
        _until(lambda: _serves(server, wire, 2))
        time.sleep(0.5)  # for which the gateway takes a size as given
        assert _classes(stub.Predict(three, timeout=30), wire) == [b"2", b"0", b"2"]
        code, text = wire.code_of(stub.Predict, four)
        assert (code, "expected an order of 3 frames" in text) == ("INVALID_ARGUMENT", True)


def _serves(server, wire, version):
    answer = json.loads(wire.http(f"{server.url}/v1/models/tsd")[1])
    return {"version": str(version), "state": "AVAILABLE"}.items() <= answer["model_version_status"][0].items()


def test_a_gateway_that_stops_answers_what_it_has(small_model, wire, clips):
    with BackgroundServer(small_model, limits=ServerLimits(batch_timeout=3.0)) as server:
        limits = Limits(drain_seconds=1.5)
        with BackgroundGateway(wire.backend(server), limits=limits) as gateway:
            stub = wire.stub(gateway)
            request = wire.request("coded", **wire.coded(clips))
            calls = [stub.Predict.future(request, timeout=60)]
            _until(lambda: b"tsd_gateway_requests_under_way 1.0" in wire.http(f"{gateway.admin_url}/metrics")[1])
            assert _is_ready(gateway, wire)
            gateway.stop()
            _until(lambda: not _is_ready(gateway, wire))
            assert not _is_serving(gateway)
            assert wire.http(f"{gateway.url}/healthz")[0] == 200
            calls.append(stub.Predict.future(request, timeout=60))  # still taken
        for call in calls:
            assert _classes(call.result(), wire) == [b"3", b"0", b"2"]
        assert wire.code_of(stub.Predict, request)[0] == "UNAVAILABLE"


def test_status_metadata_and_health(small_server, wire):
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_service_pb2_grpc

    with BackgroundGateway(wire.backend(small_server)) as gateway, grpc.insecure_channel(gateway.address) as channel:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "tsd"
        (status,) = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request).model_version_status
        assert (status.version, status.state) == (1, 30)
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = "tsd"
        maps = []
        for server in (small_server, gateway):
            maps.append(get_model_metadata_pb2.SignatureDefMap())
            assert wire.stub(server).GetModelMetadata(request).metadata["signature_def"].Unpack(maps[-1])
        coded = maps[1].signature_def.pop("coded")
        assert maps[0] == maps[1]
        assert {
            name: (info.dtype, [dim.size for dim in info.tensor_shape.dim]) for name, info in coded.inputs.items()
        } == {
            "packets": (7, [-1, -1]),
            "codec": (7, [-1]),
            "order": (4, [-1, 4]),
        }
        assert set(coded.outputs) == {"logits", "probabilities", "classes"}
        status, found, _ = wire.http(f"{gateway.url}/v1/models/tsd/metadata")
        assert status == 200
        found = json.loads(found)
        entries = found["metadata"]["signature_def"]["signature_def"]
        order = entries.pop("coded")["inputs"]["order"]
        assert (order["dtype"], [dim["size"] for dim in order["tensor_shape"]["dim"]]) == ("DT_UINT8", ["-1", "4"])
        assert found == json.loads(wire.http(f"{small_server.url}/v1/models/tsd/metadata")[1])
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert wire.code_of(stub.Check, health_pb2.HealthCheckRequest(service="nothing"))[0] == "NOT_FOUND"
        for method in ("/tensorflow.serving.PredictionService/Classify", "/a/b"):
            assert wire.code_of(channel.unary_unary(method), b"")[0] == "UNIMPLEMENTED"


def test_messages_that_are_none(small_server, wire, clips):
    with BackgroundGateway(wire.backend(small_server)) as gateway, grpc.insecure_channel(gateway.address) as channel:
        for method in (
            "PredictionService/Predict",
            "PredictionService/GetModelMetadata",
            "ModelService/GetModelStatus",
        ):
            code, text = wire.code_of(channel.unary_unary(f"/tensorflow.serving.{method}"), b"\xff\xff")
            assert (code, text.startswith("the message cannot be read")) == ("INVALID_ARGUMENT", True)
        assert _classes(wire.stub(gateway).Predict(wire.request(frames=clips), timeout=30), wire) == [b"3", b"0", b"2"]


def test_an_address_of_ipv6(small_server, wire, clips):
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    with BackgroundGateway(wire.backend(small_server), host="::1", admin_host="::1") as gateway:
        assert gateway.address.startswith("[::1]:")
        assert wire.stub(gateway).Predict(wire.request(frames=clips), timeout=30).outputs
        assert wire.http(f"{gateway.url}/readyz")[0] == wire.http(f"{gateway.admin_url}/readyz")[0] == 200


def test_a_port_that_is_taken(small_server, wire):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for name in ("port", "rest_port", "admin_port"):
            gateway = BackgroundGateway(wire.backend(small_server), **{name: taken.getsockname()[1]})
            with pytest.raises(UserError, match=r"cannot listen on (http://)?127.0.0.1:\d+"):
                gateway.__enter__()
