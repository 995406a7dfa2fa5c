"""What log and metrics say of requests that came through real sockets."""

import datetime
import json

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway import tokens
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.tokens import Tokens

_PATH = "/v1/models/tsd:predict"


@pytest.fixture
def asked(tmp_path, small_server, wire, clips):
    """A gateway after some requests, and the lines of its log."""
    (tmp_path / "tokens").write_text(tokens.TokenEntry("camera-7", tokens.sha256("secret"), rate="6/hour").line())
    log = tmp_path / "access.log"
    coded, metadata = wire.coded(clips), [("authorization", "Bearer secret")]
    with BackgroundGateway(wire.backend(small_server), access_log=log, tokens=Tokens(tmp_path / "tokens")) as gateway:
        predict = wire.stub(gateway).Predict
        predict(wire.request("coded", **coded), metadata=metadata)
        predict(wire.request(frames=clips), metadata=metadata)
        wire.http(gateway.url + _PATH, wire.coded_json(coded), Authorization="Bearer secret")
        wire.http(gateway.url + _PATH, {"instances": clips.tolist()}, Authorization="Bearer secret")
        wire.code_of(predict, wire.request("coded", **{**coded, "codec": coded["codec"][:1]}), metadata=metadata)
        wire.http(f"{gateway.url}/v1/models/x", Authorization="Bearer secret")
        wire.http(gateway.url + _PATH, b"{}", Authorization="Bearer secret")  # the seventh
        wire.code_of(predict, wire.request(frames=clips), metadata=[("authorization", "Bearer public")])
        wire.http(gateway.url + _PATH, b"{}")
        page = wire.http(f"{gateway.admin_url}/metrics")[1].decode()
    return [json.loads(line) for line in log.read_text().splitlines()], page, log.read_text()


def test_access_log(asked, wire, clips):
    lines, _, text = asked
    columns = ("token", "protocol", "method", "model", "signature", "codec", "clips", "status", "reason")
    grpc, rest = ("grpc", "/tensorflow.serving.PredictionService/Predict"), ("rest", f"POST {_PATH}")
    assert [tuple(line[name] for name in columns) for line in lines] == [
        ("camera-7", *grpc, "tsd", "coded", "h264", 3, "OK", ""),
        ("camera-7", *grpc, "tsd", "", "raw", 3, "OK", ""),
        ("camera-7", *rest, "tsd", "coded", "h264", 3, "200", ""),
        ("camera-7", *rest, "tsd", "", "json", None, "200", ""),
        ("camera-7", *grpc, "tsd", "coded", "h264", 1, "INVALID_ARGUMENT", "bad_clip"),
        ("camera-7", "rest", "GET /v1/models/x", "x", "", "", None, "404", "backend"),
        ("camera-7", *rest, "", "", "", None, "429", "quota"),
        ("", *grpc, "", "", "", None, "UNAUTHENTICATED", "bad_token"),
        ("", *rest, "", "", "", None, "401", "no_token"),
    ]
    for line in lines:
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(line["time"])
        assert datetime.timedelta() <= age < datetime.timedelta(minutes=5)
        assert "127.0.0.1" in line["peer"]
        assert line["total_ms"] > 0
        for name in ("decode_ms", "backend_ms"):
            assert line[name] is None or 0 < line[name] <= line["total_ms"]
    assert [line["decode_ms"] is not None for line in lines] == [
        True,
        False,
        True,
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    assert lines[0]["bytes_in"] == wire.request("coded", **wire.coded(clips)).ByteSize()
    assert lines[3]["bytes_in"] == len(json.dumps({"instances": clips.tolist()}))
    assert "secret" not in text
    assert "public" not in text


def test_metrics(asked, wire, clips):
    lines, page, _ = asked
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    values = {name: float(value) for name, value in values.items()}
    for name, value in {
        'requests_total{protocol="grpc",status="OK"}': 2,
        'requests_total{protocol="grpc",status="INVALID_ARGUMENT"}': 1,
        'requests_total{protocol="rest",status="200"}': 2,
        'requests_total{protocol="rest",status="429"}': 1,
        'refusals_total{reason="bad_clip",token="camera-7"}': 1,
        'refusals_total{reason="quota",token="camera-7"}': 1,
        'refusals_total{reason="bad_token",token=""}': 1,
        'refusals_total{reason="no_token",token=""}': 1,
        'refusals_total{reason="backend",token="camera-7"}': 1,
        'clips_total{codec="h264"}': 6,
        'clips_total{codec="raw"}': 3,
        'received_bytes_total{codec="h264"}': sum(line["bytes_in"] for line in lines if line["codec"] == "h264"),
        'received_bytes_total{codec="json"}': lines[3]["bytes_in"],
        "decode_seconds_count": 3,
        "backend_seconds_count": 5,
        "request_seconds_count": 9,
        "requests_under_way": 0,
        "backends_healthy": 1,
        "decoders_restarted": 0,
    }.items():
        assert values[f"tsd_gateway_{name}"] == value, name
    assert "secret" not in page


def test_labels_are_ours(small_server, wire, clips):
    """Names that clients choose make no time series."""
    with BackgroundGateway(wire.backend(small_server)) as gateway:
        inputs = wire.coded(clips[:1])
        for index in range(3):
            inputs["codec"][0] = f"mine{index}".encode()
            wire.code_of(wire.stub(gateway).Predict, wire.request("coded", name=f"mine{index}", **inputs))
            wire.code_of(wire.stub(gateway).Predict, wire.request(f"mine{index}", frames=clips))
            wire.http(f"{gateway.url}/v1/models/mine{index}")
        page = wire.http(f"{gateway.admin_url}/metrics")[1].decode()
    assert "mine" not in page
    assert 'tsd_gateway_received_bytes_total{codec="other"}' in page


def test_a_full_disk_stops_nobody(small_server, wire, clips):
    with BackgroundGateway(wire.backend(small_server), access_log="/dev/full") as gateway:
        for _ in range(2):
            assert wire.stub(gateway).Predict(wire.request(frames=clips), timeout=30).outputs


def test_a_log_that_cannot_be_written(tmp_path, small_server, wire):
    gateway = BackgroundGateway(wire.backend(small_server), access_log=tmp_path / "nowhere" / "log")
    with pytest.raises(UserError, match="`access_log` cannot be written: No such file or directory"):
        gateway.__enter__()
