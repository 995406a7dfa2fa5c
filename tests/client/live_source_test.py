"""Streams that fail on purpose, through real sockets and decoders."""

import http.server
import threading
import time

import numpy as np
import pytest

from benchmarks.faulty_stream import FaultyStream
from tsd_tf.client.live_source import LiveSource
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.video.isolated_decoder import IsolatedDecoder
from tsd_tf.video.video_writing import write_video

_MODEL = signatures.ClientModel(1, "i3d_e", 8, 2, 64, 64, 25.0, 2, None, (), ())


@pytest.fixture(scope="module")
def decoder():
    decoder = IsolatedDecoder()
    yield decoder
    decoder.close()


@pytest.fixture
def notes():
    return []


@pytest.fixture
def source(decoder, notes):
    def make(camera, stall_seconds=1.0, retry_for=20.0):
        return LiveSource(camera, _MODEL, decoder, stall_seconds, retry_for, notes.append, threading.Event())

    return make


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, np.zeros((30, 64, 64, 3), "uint8"), 25)
    return path


@pytest.fixture
def serve():
    """A function: serves bytes by HTTP, with another Content-Length if one is given; its value is the URL."""
    running = []

    def start(content, length=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(length or len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/video.mp4"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_stream_that_drops_and_stalls(source, notes):
    """Numbers go on as the camera's own do, over every gap."""
    with FaultyStream() as stream:
        faults = [stream.drop, lambda: stream.drop(0.5, reset=True), lambda: stream.stall(1.5), lambda: None]
        found = []
        live = source(stream.url)
        for fault, (first, gap, frames) in zip(faults, live.pieces(), strict=False):
            for count, frame in enumerate(frames):
                if count == 0:
                    found.append((first, gap, stream.number_of(frame) - first))
                if count == 12:
                    fault()
                    if len(found) == 4:
                        break
        assert stream.num_connections >= 4
    offset = found[0][2]
    assert found[0][:2] == (0, None)
    for first, gap, difference in found[1:]:
        assert gap.source == stream.url
        assert first == round(gap.start * 25) + gap.frames
        assert gap.frames > 0
        assert gap.seconds > 0.1
        # What reaches us late at the beginning, while FFmpeg looks at the stream, is no loss later.
        assert abs(difference - offset) <= 5
    assert found[3][1].reason == "nothing came for 1 s"
    kinds = [("is lost, and is opened again for up to 20 s: ", "is back, after ")[place % 2] for place in range(6)]
    assert len(notes) == 6
    assert all(note.startswith(f"{stream.url} {kind}") for note, kind in zip(notes, kinds, strict=True))


def test_files_end(source, notes, video, serve):
    url = serve(video.read_bytes())
    for camera in (url, f"file:{video}"):
        ((first, gap, frames),) = ((first, gap, list(frames)) for first, gap, frames in source(camera).pieces())
        assert (first, gap, len(frames)) == (0, None, 30)
    assert notes == []


def test_what_is_cut_off_is_no_end(source, notes, serve, tmp_path):
    """A recording that states its length is over when that has been seen, and not before."""
    path = tmp_path / "v.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 256, (50, 64, 64, 3), "uint8"), 25)
    content = path.read_bytes()
    url = serve(content[: len(content) // 2], len(content))
    live = source(url, retry_for=1.0)
    with pytest.raises(UserError, match=f"^no stream at {url} that can be read: "):
        list(live.pieces())  # its header is at its end
    assert notes == []


def test_what_never_comes_back_is_given_up(source, notes):
    with FaultyStream() as stream:
        pieces = source(stream.url, retry_for=2.0).pieces()
        _, _, frames = next(pieces)
        next(frames)
        stream.drop(1000)
        began = time.monotonic()
        assert len(list(frames)) < 200
        with pytest.raises(UserError, match=rf"^{stream.url} is lost for \d+ s and cannot be opened again: "):
            next(pieces)
        assert 2 <= time.monotonic() - began < 15
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("camera", "message"), [(97, "no camera 97"), ("http://127.0.0.1:9/x", "no stream at http://127.0.0.1:9/x that")]
)
def test_what_is_not_there_at_all(source, notes, camera, message):
    with pytest.raises(UserError, match=f"^{message}"):
        list(source(camera).pieces())
    assert notes == []
