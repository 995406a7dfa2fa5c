"""The files under deploy/ against TensorFlow Serving's own message of its configuration, and against each other."""

import pathlib
import re

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tsd_tf.export import signatures

_DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"


def test_models_config():
    config = text_format.Parse((_DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == signatures.MODEL_NAME
    assert set(model.version_labels.values()) <= set(model.model_version_policy.specific.versions)


def test_monitoring_config_is_what_prometheus_scrapes():
    monitoring = (_DEPLOY / "monitoring.config").read_text()
    assert "enable: true" in monitoring
    path = re.search(r'path: "([^"]+)"', monitoring)[1]
    assert f"metrics_path: {path}\n" in (_DEPLOY / "prometheus.yml").read_text()


def test_compose_mounts_files_that_exist():
    compose = (_DEPLOY / "compose.yaml").read_text()
    mounted = re.findall(r"- \./([\w.]+):(/[\w./]+):ro", compose)
    assert {name for name, _ in mounted} == {path.name for path in _DEPLOY.iterdir()} - {"compose.yaml"}
    for _, target in mounted:
        assert compose.count(target) == (1 if "prometheus.yml" in target else 2)
    assert f"/cloud:/models/{signatures.MODEL_NAME}:ro" in compose
