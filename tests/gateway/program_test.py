"""The gateway's program as a user starts and stops it."""

import gzip
import json
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zlib

import grpc
import numpy as np
import pytest

from tsd_tf.contract import messages

pytestmark = pytest.mark.slow

_COMMAND = [sys.executable, "-m", "tsd_tf.gateway"]
_FREE = ["--port=0", "--rest_port=0", "--admin_port=0"]


class _Gateway:
    """`with _Gateway(*flags) as gateway:` runs it, and ends it by SIGTERM."""

    def __init__(self, *args, command=_COMMAND):
        self._command = [*command, *_FREE, *args]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line = self._process.stdout.readline().strip()
        match = re.search(r"gRPC (\S+), REST (\S+) \((.*)\), metrics (\S+?)(?:, page (\S+))?$", self.line)
        assert match, self.line + self._process.stderr.read()
        self.address, self.url, self.said, self.metrics, self.page = match.groups()
        return self

    def __exit__(self, kind, *exception):
        self._process.send_signal(signal.SIGTERM)
        try:
            self.rest, self.errors = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        if kind is None:
            assert self._process.returncode == 0, self.errors

    @property
    def peak_megabytes(self):
        """The most memory that it has taken, without its decoders."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def _post(gateway, body, **headers):
    request = urllib.request.Request(f"{gateway.url}/v1/models/tsd:predict", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def _frames(value=100, num_bytes=None):
    """A request with a clip of four frames, or with so many bytes of zeros."""
    array = np.full((1, 4, 16, 16, 3), value, "uint8") if num_bytes is None else np.zeros(num_bytes, "uint8")
    return messages.predict_request("tsd", "serving_default", {"frames": array})


def _ours(errors):
    """Lines of stderr that are no log."""
    return [line for line in errors.splitlines() if not re.match(r"\S+ INFO ", line)]


def test_the_laptops_one_command(exported):
    with _Gateway(f"--model_dir={exported.folder}/cloud", "--access_log=-") as gateway:
        assert gateway.said == "no TLS, no tokens, this machine only"
        assert f"gateway to {exported.folder}/cloud in this process" in gateway.line
        clip = np.asarray(exported.clips[0, ::2])
        from tsd_tf.client.grpc_connection import GrpcConnection
        from tsd_tf.video import codec

        answer = GrpcConnection(gateway.address).classify(*codec.encode(clip, "h264"))
        assert answer.version == 1
        assert answer.classes[0] in exported.labels
        with urllib.request.urlopen(gateway.metrics, timeout=30) as page:
            assert b'tsd_gateway_clips_total{codec="h264"} 1.0' in page.read()
    (line,) = gateway.rest.splitlines()
    assert json.loads(line)["status"] == "OK"
    assert _ours(gateway.errors) == []


def test_with_the_page(exported, tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>")
    code = (
        "import pathlib, sys\nfrom tsd_tf.gateway import page_site\n"
        f"page_site.PageSite.__init__.__kwdefaults__['built'] = pathlib.Path({str(tmp_path)!r})\n"
        "from tsd_tf.programs.gateway import start; start()"
    )
    arguments = [f"--model_dir={exported.folder}/cloud", "--page", "--decoders=1"]
    with _Gateway(*arguments, command=[sys.executable, "-c", code]) as gateway:
        assert gateway.page == f"{gateway.url}/"
        with urllib.request.urlopen(gateway.page, timeout=30) as answer:
            assert answer.read() == b"<!doctype html>"
        with urllib.request.urlopen(f"{gateway.page}page/settings.json", timeout=30) as answer:
            settings = json.load(answer)
        assert (settings["labels"], settings["problem"], settings["note"]) == (exported.labels, None, None)
        with urllib.request.urlopen(f"{gateway.page}page/client.tflite", timeout=30) as answer:
            assert answer.read() == (exported.folder / "client.tflite").read_bytes()
    assert _ours(gateway.errors) == []


def test_bombs_take_no_memory(small_server):
    """100 MB of zeros, compressed, to a gateway that accepts 4 MB: not much more than those are ever held."""
    backend = f"{small_server.address}:{small_server.url.rpartition(':')[2]}"
    with (
        _Gateway(f"--backends={backend}", "--decoders=1", "--max_message_bytes=4000000") as gateway,
        grpc.insecure_channel(gateway.address, [("grpc.max_send_message_length", -1)]) as channel,
    ):
        predict = channel.unary_unary(messages.PREDICT)
        assert predict(_frames().SerializeToString(), timeout=30)
        before = gateway.peak_megabytes
        for compress, encoding in ((gzip.compress, "gzip"), (zlib.compress, "deflate")):
            assert _post(gateway, compress(bytes(100 << 20)), **{"Content-Encoding": encoding})[0] == 413
        bomb = _frames(num_bytes=100 << 20).SerializeToString()
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with pytest.raises(grpc.RpcError) as caught:
                predict(bomb, timeout=60, compression=compression)
            assert caught.value.code().name == "RESOURCE_EXHAUSTED"
        assert gateway.peak_megabytes - before < 32
        assert predict(_frames().SerializeToString(), timeout=30)


_WITHOUT_TENSORFLOW = [
    sys.executable,
    "-c",
    "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['tensorflow_serving'] = None\n"
    "from tsd_tf.programs.gateway import start; start()",
]


def test_it_needs_no_tensorflow(small_server):
    backend = f"{small_server.address}:{small_server.url.rpartition(':')[2]}"
    command = [*_WITHOUT_TENSORFLOW, *_FREE, f"--backends={backend}", "--decoders=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert f"gateway to {backend}: gRPC 127.0.0.1:" in line
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_a_model_needs_tensorflow():
    command = [*_WITHOUT_TENSORFLOW, *_FREE, "--model_dir=x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: --model_dir needs tensorflow" in done.stderr
    assert "pip install 'tsd_tf[gateway,serve]'" in done.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "expected one of --model_dir (served by this process) and --backends (host:port,...)"),
        (["--backends=a:1", "--model_dir=x"], "expected one of --model_dir"),
        (
            ["--backends=a"],
            "--backends must be host:port[:rest_port],... or unix:/folder,..., such as 10.0.0.5",
        ),
        (["--backends=a:0"], "Received: --backends=a:0"),
        (["--model_dir=nowhere"], "no model to serve: looked for nowhere/<version>/saved_model.pb"),
        (["--backends=a:1", "--host=0.0.0.0"], "beyond this machine the gateway needs TLS (--tls_cert, --tls_key)"),
        (["--backends=a:1", "--tls_cert=x"], "--tls_cert and --tls_key belong together"),
        (["--backends=a:1", "--tokens=nowhere"], "cannot read nowhere: No such file or directory"),
        (["--backends=a:1", "--backend_ca=nowhere"], "cannot read or write nowhere: No such file or directory"),
        (["--backends=a:1", "--max_connections=0"], "--max_connections"),
        (["--backends=a:1", "x"], "expected flags only, received x"),
        (["--backends=a:1", "--page_client=x"], "--page_client, --page_samples and --page_isolation are for use with"),
    ],
)
def test_mistakes_are_one_line(args, text):
    done = subprocess.run([*_COMMAND, *_FREE, *args], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert len(_ours(done.stderr)) == 1
    assert done.stdout == ""


def test_behind_a_proxy(small_server):
    backend = f"{small_server.address}:{small_server.url.rpartition(':')[2]}"
    with _Gateway(f"--backends={backend}", "--host=0.0.0.0", "--behind_proxy", "--decoders=1") as gateway:
        assert gateway.said == "no TLS, no tokens, left to a proxy, on every address of this machine"
