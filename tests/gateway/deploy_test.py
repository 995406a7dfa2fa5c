"""The gateway's part of the files under deploy/: Kubernetes' own schemas, and the program itself with their flags."""

import contextlib
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tsd_tf.contract import signatures

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.slow

_ROOT = pathlib.Path(__file__).parents[2]
_DEPLOY = _ROOT / "deploy"
_KUBERNETES = _DEPLOY / "kubernetes"
_SHUTDOWN_SECONDS = 30  # --shutdown_grace, by default


def _objects(path):
    return list(yaml.safe_load_all(path.read_text()))


def _object(file, kind):
    (found,) = [each for each in _objects(_KUBERNETES / file) if each["kind"] == kind]
    return found


def _pod(file):
    return _object(file, "Deployment")["spec"]["template"]["spec"]


def _container(file):
    (container,) = _pod(file)["containers"]
    return container


def _flags(arguments):
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((_DEPLOY / "compose.yaml").read_text())


@pytest.mark.parametrize("path", sorted(_KUBERNETES.glob("*.yaml")), ids=lambda path: path.name)
def test_kubernetes_schemas(path):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    objects = _objects(path)
    assert objects
    for each in objects:
        kubernetes_validate.validate(each, "1.30", strict=True)
        broken = {**each, "spec": {**each["spec"], "selektor": {}}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.30", strict=True)


def test_the_objects_belong_together():
    for file, service in (("gateway.yaml", "gateway"), ("serving.yaml", "serving")):
        deployment, pod = _object(file, "Deployment"), _pod(file)
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert _object(file, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
        assert _object(file, "Service")["spec"]["selector"] == labels
        assert _object(file, "Service")["metadata"]["name"] == service
        names = {port["name"] for port in _container(file)["ports"]}
        assert {port["targetPort"] for port in _object(file, "Service")["spec"]["ports"]} <= names
        assert {mount["name"] for mount in _container(file)["volumeMounts"]} == {
            each["name"] for each in pod["volumes"]
        }
        assert not any("subPath" in mount for mount in _container(file)["volumeMounts"])
    gateway = _object("gateway.yaml", "Deployment")
    assert _object("gateway.yaml", "PodDisruptionBudget")["spec"]["selector"] == gateway["spec"]["selector"]
    target = _object("gateway.yaml", "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", gateway["metadata"]["name"])
    assert "replicas" not in gateway["spec"]
    # Each lets the other through.
    (backends,) = [rule for rule in _object("gateway.yaml", "NetworkPolicy")["spec"]["egress"] if "to" in rule]
    labels = _object("serving.yaml", "Deployment")["spec"]["selector"]["matchLabels"]
    assert backends["to"] == [{"podSelector": {"matchLabels": labels}}]
    front = _object("serving.yaml", "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert front == [{"podSelector": gateway["spec"]["selector"]}]


def test_ports_and_backends_agree(compose):
    for flags in (_flags(_container("gateway.yaml")["args"]), _flags(compose["services"]["gateway"]["command"])):
        assert flags["backends"] == "serving:8500:8501"
    flags = _flags(_container("gateway.yaml")["args"])
    ports = {port["name"]: str(port["containerPort"]) for port in _container("gateway.yaml")["ports"]}
    assert ports == {"grpc": flags["port"], "https": flags["rest_port"], "admin": flags["admin_port"]}
    serving = _flags(_container("serving.yaml")["args"])
    ports = {port["name"]: str(port["containerPort"]) for port in _container("serving.yaml")["ports"]}
    assert ports == {"grpc": serving["port"], "http": serving["rest_api_port"]} == {"grpc": "8500", "http": "8501"}
    for file, port in (("gateway.yaml", flags["admin_port"]), ("serving.yaml", serving["rest_api_port"])):
        annotations = _object(file, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == port


def test_serving_is_the_compose_files(compose):
    ours, theirs = _container("serving.yaml"), compose["services"]["serving"]
    assert ours["args"] == theirs["command"]
    assert ours["image"] == theirs["image"]
    for probe in ("startupProbe", "readinessProbe"):
        assert ours[probe]["exec"]["command"] == theirs["healthcheck"]["test"][1:]
    # What the ConfigMap holds, by the command in the file's first lines.
    files = re.findall(r"--from-file=deploy/(\S+)", (_KUBERNETES / "serving.yaml").read_text())
    assert all((_DEPLOY / name).exists() for name in files)
    wanted = {value for name, value in _flags(ours["args"]).items() if name.endswith("_file")}
    assert wanted == {f"/etc/tsd/{name}" for name in files}


def test_a_pod_ends_after_its_requests():
    drain = float(_flags(_container("gateway.yaml")["args"])["drain_seconds"])
    assert _pod("gateway.yaml")["terminationGracePeriodSeconds"] > drain + _SHUTDOWN_SECONDS


def test_containers_may_as_little_as_they_need(compose):
    for file in ("gateway.yaml", "serving.yaml"):
        assert _pod(file)["securityContext"]["runAsNonRoot"] is True
        context = _container(file)["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}
    for name in ("gateway", "serving"):
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    user = re.search(r"^USER (\d+)", (_DEPLOY / "gateway.Dockerfile").read_text(), re.MULTILINE)[1]
    assert _pod("gateway.yaml")["securityContext"]["runAsUser"] == int(user) > 0


def test_the_image_gets_what_it_copies():
    text = (_DEPLOY / "gateway.Dockerfile").read_text()
    sources = {word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()}
    assert sources == {"pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements/lock.txt", "tsd_tf"}
    assert all((_ROOT / source).exists() for source in sources)
    ignored = (_DEPLOY / "gateway.Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources


def test_the_inference_service():
    """KServe's schema is not among Kubernetes' own: what is here is what the gateway and its docs rely on."""
    (service,) = _objects(_KUBERNETES / "kserve/inference-service.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert service["metadata"]["name"] == signatures.MODEL_NAME  # its runtime calls the model so
    predictor = service["spec"]["predictor"]
    assert predictor["model"]["modelFormat"]["name"] == "tensorflow"
    assert predictor["model"]["protocolVersion"] == "grpc-v1"
    claim = _pod("serving.yaml")["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert predictor["model"]["storageUri"] == f"pvc://{claim}/"
    assert [port["containerPort"] for port in predictor["model"]["ports"]] == [9000, 8080]


def test_the_autoscaler_is_given_its_metric():
    (metric,) = _object("gateway.yaml", "HorizontalPodAutoscaler")["spec"]["metrics"]
    (values,) = _objects(_KUBERNETES / "prometheus-adapter/values.yaml")
    (rule,) = values["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{metric['pods']['metric']['name']}{{")
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]


@contextlib.contextmanager
def _running(arguments, authority, folder):
    """The gateway with these flags, on free ports and with files of its own; yields the URL of its admin port."""
    authority.write(folder, "tls")
    (folder / "tls.pem").rename(folder / "tls.crt")
    (folder / "tokens.txt").write_text("")
    changed = {"port": "0", "rest_port": "0", "admin_port": "0", "host": "127.0.0.1", "admin_host": "127.0.0.1"}
    flags = {**_flags(arguments), "decoders": "1"}
    assert set(changed) <= set(flags)
    flags |= changed
    for name, value in flags.items():
        if value.startswith("/etc/tsd/"):
            flags[name] = str(folder / pathlib.Path(value).name)
    command = [sys.executable, "-m", "tsd_tf.gateway", *(f"--{name}={value}" for name, value in flags.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"metrics (http://127.0.0.1:\d+)/metrics", process.stdout.readline())[1]
        finally:
            process.kill()


def _get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


@pytest.mark.parametrize("name", ["kubernetes", "compose"])
def test_the_program_takes_these_flags_and_shows_what_is_asked_for(authority, compose, tmp_path, name):
    container, service = _container("gateway.yaml"), compose["services"]["gateway"]
    with _running({"kubernetes": container["args"], "compose": service["command"]}[name], authority, tmp_path) as url:
        if name == "compose":
            kind, *command = service["healthcheck"]["test"]
            assert kind == "CMD"
            asked = re.search(r'"http://127.0.0.1:8502(/\w+)"', command[-1])[1]
            assert _get(url + asked)[0] == 503  # nobody is behind it
            own = [sys.executable, *command[1:-1], command[-1].replace("http://127.0.0.1:8502", url)]
            assert subprocess.run(own, capture_output=True, check=False).returncode == 1
            (job,) = [
                job
                for job in yaml.safe_load((_DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
                if job["job_name"] == "tsd_gateway"
            ]
            assert _get(url + job["metrics_path"])[0] == 200
            return
        for probe, status in (("startupProbe", 200), ("livenessProbe", 200), ("readinessProbe", 503)):
            assert container[probe]["httpGet"]["port"] == "admin"
            assert _get(url + container[probe]["httpGet"]["path"])[0] == status
        annotations = _object("gateway.yaml", "Deployment")["spec"]["template"]["metadata"]["annotations"]
        status, page = _get(url + annotations["prometheus.io/path"])
        assert status == 200
        (metric,) = _object("gateway.yaml", "HorizontalPodAutoscaler")["spec"]["metrics"]
        types = {family.name: family.type for family in text_string_to_metric_families(page)}
        assert types[metric["pods"]["metric"]["name"]] == "gauge"
