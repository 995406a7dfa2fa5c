"""Shards behind servers on loopback, read by programs of their own: also the end of a process is under test."""

import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
import tensorflow as tf

from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote
from tsd_tf.data.shards import find_shards, read_labels

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
needs_tensorflow_io = pytest.mark.skipif(
    not tf.__version__.startswith("2.16."), reason="tensorflow-io's libraries load under TensorFlow 2.16 alone"
)
READ = """
import sys
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels
from tsd_tf.data.training_clips import TrainingClips
records, spec = Records(find_shards(sys.argv[1], "train")), ClipSpec(2, 16, 3)
clips = EvaluationClips(records, spec, num_clips=1, batch_size=2, seed=0)
print(*(media_id.decode() for batch in clips for media_id in batch["media_id"].numpy()))
resumed = TrainingClips(records, spec, batch_size=3, seed=0, first_step=1)
print(len(next(iter(resumed))["label"]), read_labels(sys.argv[1]))
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def data_dir(write_shards, tmp_path):
    shards, _ = write_shards([[4, 5], [3]])
    (tmp_path / "labels.txt").write_text("a\nb\n")
    names = {pathlib.Path(shard).name: {} for shard in shards}
    (tmp_path / "manifest-train.json").write_text(json.dumps({"shards": names}))
    return tmp_path


def read(url, code=0, **environment):
    command = [sys.executable, "-c", READ, url, str(code)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout.splitlines(), done.stderr


class _RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files too, as every web server does but Python's."""

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        path = pathlib.Path(self.translate_path(self.path))
        if not wanted or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
        if first >= len(content):
            self.send_error(416)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(content[first : last + 1])

    def log_message(self, *arguments):
        pass


@needs_tensorflow_io
def test_shards_on_a_web_server(data_dir):
    handler = type("Handler", (_RangeHandler,), {})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *arguments: handler(*arguments, directory=str(data_dir))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    code, lines, _ = read(url, 7)
    assert code == 7
    assert lines == ["0 2 1", "3 ['a', 'b']"]
    with pytest.raises(UserError, match=f"no train shards: looked for {url}/none/train-00000-of-"):
        find_shards(f"{url}/none", "train")
    server.shutdown()
    server.server_close()


@needs_tensorflow_io
def test_shards_in_a_bucket(data_dir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", endpoint.rpartition(":")[2]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _put(f"{endpoint}/bucket")
        for path in data_dir.iterdir():
            _put(f"{endpoint}/bucket/folder/{path.name}", path.read_bytes())
        keys = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        code, lines, errors = read("s3://bucket/folder", 7, S3_ENDPOINT=endpoint, **keys)
        assert code == 7, errors  # not 134, the abort of the S3 client's destructors
        assert lines == ["0 2 1", "3 ['a', 'b']"]
    finally:
        server.terminate()
        server.wait()


def _put(url, content=b""):
    deadline = time.monotonic() + 30
    request = urllib.request.Request(url, content, {"Content-Type": "application/octet-stream"}, method="PUT")
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # the server is still starting


@pytest.mark.skipif(tf.__version__.startswith("2.16."), reason="tensorflow-io works here")
@pytest.mark.parametrize("url", ["s3://bucket/folder", "http://127.0.0.1/folder"])
def test_without_tensorflow_io(url):
    for function in (remote.prepare, read_labels, lambda url: find_shards(url, "train")):
        with pytest.raises(
            UserError, match=f"{url}: .* needs tensorflow-io, .* TensorFlow {tf.__version__} is installed"
        ):
            function(url)


def test_local_paths_need_nothing(tmp_path):
    remote.prepare(tmp_path)
    assert remote.scheme_of(tmp_path) == ""
    assert remote.scheme_of("s3://a/b") == "s3"
