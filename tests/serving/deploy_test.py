"""The files under deploy/ against TensorFlow Serving's own messages, against each other and against the server."""

import pathlib
import re
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from tsd_tf.contract import signatures

pytestmark = pytest.mark.slow

_DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
_INT64 = (11, ".google.protobuf.Int64Value", False)
_STRING = (11, ".google.protobuf.StringValue", False)
_BOOL, _TEXT = (8, None, False), (9, None, False)
# Field names and types in the order of their numbers, of TensorFlow Serving's session_bundle_config.proto,
# monitoring_config.proto and ssl_config.proto, which tensorflow-serving-api does not hold.
_MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": _INT64,
        "batch_timeout_micros": _INT64,
        "max_enqueued_batches": _INT64,
        "num_batch_threads": _INT64,
        "thread_pool_name": _STRING,
        "allowed_batch_sizes": (3, None, True),
        "pad_variable_length_inputs": _BOOL,
    },
    "PrometheusConfig": {"enable": _BOOL, "path": _TEXT},
    "MonitoringConfig": {"prometheus_config": (11, ".tensorflow.serving.PrometheusConfig", False)},
    "SSLConfig": {"server_key": _TEXT, "server_cert": _TEXT, "custom_ca": _TEXT, "client_verify": _BOOL},
}


@pytest.fixture(scope="module")
def messages():
    """The message classes of _MESSAGES, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", package="tensorflow.serving", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, (kind, type_name, repeated)) in enumerate(fields.items(), 1):
            message.field.add(name=field, number=number, type=kind, type_name=type_name, label=3 if repeated else 1)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))
        for name in _MESSAGES
    }


@pytest.fixture(scope="module")
def compose():
    """The compose file, read as YAML."""
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((_DEPLOY / "compose.yaml").read_text())


def test_models_config():
    config = text_format.Parse((_DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == signatures.MODEL_NAME
    assert set(model.version_labels.values()) <= set(model.model_version_policy.specific.versions)


def test_batching_parameters(messages):
    text = (_DEPLOY / "batching_parameters.txt").read_text()
    parameters = text_format.Parse(text, messages["BatchingParameters"]())
    assert parameters.max_batch_size.value == 8
    assert parameters.num_batch_threads.value >= 1
    assert 0 <= parameters.batch_timeout_micros.value < 100_000
    assert parameters.max_enqueued_batches.value > parameters.num_batch_threads.value
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text.replace("max_batch_size", "max_batch"), messages["BatchingParameters"]())


def test_monitoring_config_is_what_prometheus_scrapes(messages):
    text = (_DEPLOY / "monitoring.config").read_text()
    monitoring = text_format.Parse(text, messages["MonitoringConfig"]())
    assert monitoring.prometheus_config.enable
    path = monitoring.prometheus_config.path
    assert f"metrics_path: {path}\n" in (_DEPLOY / "prometheus.yml").read_text()


def test_prometheus_scrapes_the_server(compose):
    yaml = pytest.importorskip("yaml")
    serving, gateway = yaml.safe_load((_DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    for job, flag in ((serving, "rest_api_port"), (gateway, "admin_port")):
        (target,) = job["static_configs"][0]["targets"]
        service, port = target.split(":")
        assert f"--{flag}={port}" in compose["services"][service]["command"]


def test_compose_mounts_files_that_exist(compose):
    volumes = [volume for service in compose["services"].values() for volume in service["volumes"]]
    mounts = [volume.rsplit(":", 2) for volume in volumes]
    own = {source.removeprefix("./"): target for source, target, _ in mounts if source.startswith("./")}
    assert set(own) == {path.name for path in _DEPLOY.iterdir() if path.suffix in (".txt", ".config", ".yml")}
    flags = dict(flag.removeprefix("--").split("=") for flag in compose["services"]["serving"]["command"])
    assert {flags[name] for name in flags if name.endswith("_file")} == set(own.values()) - {own["prometheus.yml"]}
    assert {mode for *_, mode in mounts} == {"ro"}


def test_compose_serves_the_export_on_this_machine_only(compose):
    serving = compose["services"]["serving"]
    assert f"${{EXPORT:-../export}}/cloud:/models/{signatures.MODEL_NAME}:ro" in serving["volumes"]
    assert "ports" not in serving  # the gateway alone asks it
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith(("127.0.0.1:", "${ADDRESS:-127.0.0.1}:")) for port in ports)


def test_the_program_that_writes_the_ssl_config(messages, tmp_path):
    contents = {name: f"-----BEGIN {name}-----\nab+/=\n-----END {name}-----\n" for name in ("KEY", "CERT", "CA")}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    for files, client_verify in ((["KEY", "CERT"], False), (["KEY", "CERT", "CA"], True)):
        command = [_DEPLOY / "ssl_config.sh", *(tmp_path / name for name in files)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        config = text_format.Parse(done.stdout, messages["SSLConfig"]())
        assert (config.server_key, config.server_cert) == (contents["KEY"], contents["CERT"])
        assert config.custom_ca == (contents["CA"] if client_verify else "")
        assert config.client_verify is client_verify
    assert subprocess.run([_DEPLOY / "ssl_config.sh"], capture_output=True, check=False).returncode == 2


def test_the_health_check_asks_a_server(compose, server):
    """The compose file's own command, on a server that is there and on one that is not."""
    kind, *command = compose["services"]["serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    port = server.url.rpartition(":")[2]
    for number, healthy in ((port, True), ("1", False)):
        own = [part.replace("/8501", f"/{number}") for part in command]
        done = subprocess.run(own, capture_output=True, timeout=30, check=False)
        assert (done.returncode == 0) is healthy
    assert re.search(r"/dev/tcp/127.0.0.1/8501 ", command[-1])
