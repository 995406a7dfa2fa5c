"""The client against the real server, on real video files."""

import http.server
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types

import av
import cv2
import grpc
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.client.distiller import Distiller
from tsd_tf.client.errors import ServerAwayError
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.lost_clip import LostClip
from tsd_tf.client.recognizer import Recognizer
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.client.retries import Retries
from tsd_tf.client.tally import Tally
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.serving.server import BackgroundServer
from tsd_tf.video import distilled_clip, picture_files, pictures
from tsd_tf.video.geometry import centre
from tsd_tf.video.video import Video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def distiller(exported):
    return Distiller(exported.folder / "client.tflite")


@pytest.fixture(scope="module")
def video(sample_videos):
    return sorted((sample_videos / "test").rglob("*.mp4"))[0]


@pytest.fixture(scope="module")
def frames(video):
    return np.stack([centre(frame, 64) for frame in Video(video).frames(frame_rate=25.0, short_side=64)])


def through_jpeg(frames):
    """What the cloud decodes of frames, uint8 (..., H, W, 3), that travel as JPEG."""
    pictures = [picture_files.encode(frame, "jpeg") for frame in np.reshape(frames, (-1, *np.shape(frames)[-3:]))]
    return np.reshape([tf.io.decode_jpeg(picture).numpy() for picture in pictures], np.shape(frames))


def probabilities_of(network, frames, coded=np.asarray):
    """Probabilities of consecutive clips, all in Keras; `coded` is what becomes of distilled frames on their way."""
    clips = frames[: len(frames) // 8 * 8].reshape(-1, 8, 64, 64, 3)
    distilled = coded(to_uint8(network.client(to_network_input(clips), training=False)))
    return tf.nn.softmax(network.cloud(to_network_input(distilled), training=False)).numpy()


@pytest.fixture(scope="module")
def expected(exported, frames):
    """Probabilities of consecutive clips of the video."""
    return probabilities_of(exported.network, frames)


@pytest.mark.parametrize("codec", ["raw", "png", "jpeg"])
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_answer_is_the_network_s(exported, server, distiller, video, frames, expected, codec, protocol):
    connection = GrpcConnection(server.address) if protocol == "grpc" else RestConnection(server.url)
    clips = []
    result = Recognizer(distiller, connection, codec).recognize(video, clips.append)
    connection.close()
    assert len(frames) % 8 == 0
    assert result.clips == len(expected) == len(clips)
    for index, clip in enumerate(clips):
        assert clip.start == 8 * index
        np.testing.assert_array_equal(clip.frames, frames[clip.start : clip.start + 8])
        mixed = np.einsum("thwc,ts->shwc", clip.frames.astype(float), clip.transformation_matrix)
        assert np.abs(mixed - clip.distilled_frames).max() < 0.51
    if codec == "jpeg":
        expected = probabilities_of(exported.network, frames, through_jpeg)
    # A level of difference before JPEG may be several behind it.
    tolerance = 1e-2 if codec == "jpeg" else 2e-3
    np.testing.assert_allclose(result.probabilities, expected.mean(axis=0), atol=tolerance)
    best = int(np.argmax(result.probabilities))
    assert result.label == result.classes[0] == exported.labels[best]
    assert result.score == pytest.approx(max(result.probabilities))
    assert result.version == 1
    assert result.bytes["video"] == video.stat().st_size
    if codec == "raw":
        # A request says a little beside its frames.
        assert 0 < result.bytes["distilled"] - len(expected) * 4 * 64 * 64 * 3 < len(expected) * 150
    else:
        assert 0 < result.bytes["distilled"] < len(expected) * 4 * 64 * 64 * 3
    assert set(result.seconds) == {"capture", "distill", "encode", "send", "total"}


def test_overlapping_clips_reuse_features(server, distiller, video, frames):
    connection = GrpcConnection(server.address)
    encoded = []

    class Counting(Distiller):
        def encode_frame(self, frame):
            encoded.append(frame)
            return super().encode_frame(frame)

    counting = Counting.__new__(Counting)
    counting.__dict__.update(distiller.__dict__)
    streamed, whole = [], []
    result = Recognizer(counting, connection, "raw", stride=4).recognize(video, streamed.append)
    assert result.clips == len(frames) // 4 - 1
    assert len(encoded) == len(frames)
    for start in range(0, len(frames) - 7, 4):
        whole.append(distiller.distill(frames[start : start + 8])[0])
    frames_of_streamed = np.stack([clip.distilled_frames for clip in streamed]).astype(int)
    assert np.abs(frames_of_streamed - np.stack(whole)).max() <= 1
    connection.close()


def test_a_short_video_loops(server, distiller, frames, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "short.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 64))
    for frame in frames[:3]:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    connection = GrpcConnection(server.address)
    assert Recognizer(distiller, connection).recognize(tmp_path / "short.avi").clips == 1
    connection.close()


@pytest.fixture
def stream(frames):
    """A camera on the network: a server of Motion JPEG, which stays when it has shown all frames.

    `url`, and `go_on`, without which the second half waits.
    """
    go_on, is_over = threading.Event(), threading.Event()

    class Camera(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for index, frame in enumerate(frames):
                if index == len(frames) // 2:
                    go_on.wait(30)
                picture = picture_files.encode(frame, "jpeg", 100)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
            is_over.wait(30)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield types.SimpleNamespace(url=f"http://127.0.0.1:{running.server_port}/camera.mjpg", go_on=go_on)
        go_on.set()
        is_over.set()
        running.shutdown()
        thread.join()


def test_a_stream_is_answered_clip_by_clip_as_it_comes(exported, server, distiller, frames, stream, tmp_path):
    # The same pictures in a file, by the same decoder.
    file = tmp_path / "frames.mjpeg"
    file.write_bytes(b"".join(picture_files.encode(frame, "jpeg", 100) for frame in frames))
    pictures = cv2.VideoCapture(str(file))
    decoded = np.stack([pictures.read()[1][..., ::-1] for _ in frames])
    # The last frame is on display until another one comes.
    expected = probabilities_of(exported.network, decoded)[: (len(frames) - 1) // 8]
    connection = GrpcConnection(server.address)
    clips, results = [], []
    watching = Recognizer(distiller, connection, "raw").watch(stream.url, clips.append)
    for result in watching:
        # The second half of the stream comes only after this answer.
        stream.go_on.set()
        results.append(result)
        if len(results) == len(expected):
            break
    watching.close()
    connection.close()
    assert [result.clips for result in results] == [1] * len(expected)
    assert [result.start for result in results] == [8 * index / 25 for index in range(len(expected))]
    np.testing.assert_allclose([result.probabilities for result in results], expected, atol=2e-3)
    assert results[0].source == stream.url
    assert set(results[0].bytes) == {"distilled"}
    assert set(results[0].seconds) == {"capture", "distill", "encode", "send", "total"}
    assert [clip.start for clip in clips] == [8 * index for index in range(len(results))]


def test_the_end_of_a_file_is_the_end_of_watching_it(server, distiller, video, frames):
    connection = GrpcConnection(server.address)
    recognizer = Recognizer(distiller, connection, "raw")
    results = list(recognizer.watch(f"file:{video}"))
    connection.close()
    assert [result.start for result in results] == [8 * index / 25 for index in range(len(frames) // 8)]
    assert recognizer.tally == Tally(len(results), len(results))


@pytest.fixture
def two_classes(exported, tmp_path):
    """The client half of a server that knows two classes, as those of conftest do."""
    for name in ("client.tflite", "client.json"):
        shutil.copy(exported.folder / name, tmp_path)
    (tmp_path / "labels.txt").write_text("zero\none\n")
    return Distiller(tmp_path / "client.tflite")


def _watched(distiller, server, video, retries=None, **options):
    """(what is said of a video that is watched as a camera is, the tally)"""
    connection = GrpcConnection(server, retries=retries, note=lambda line: None)
    recognizer = Recognizer(distiller, connection, "raw", note=lambda line: None, **options)
    found = []
    try:
        for event in recognizer.watch(f"file:{video}"):
            found.append(event)
        return found, recognizer.tally
    finally:
        recognizer.close()
        connection.close()


def test_a_clip_of_a_camera_that_is_lost_is_said(two_classes, video, frames, start_server, refusal):
    asked = []

    def answer(authorization):
        asked.append(1)
        if len(asked) % 2:
            raise refusal(grpc.StatusCode.INTERNAL, 500, "broken")

    address = f"127.0.0.1:{start_server('grpc', answer).port}"
    found, tally = _watched(two_classes, address, video, max_in_flight=1)
    assert [event.start for event in found] == [8 * index / 25 for index in range(len(frames) // 8)]
    assert [isinstance(event, LostClip) for event in found] == [index % 2 == 0 for index in range(len(found))]
    assert found[0] == LostClip(f"file:{video}", 0.0, f"{address} refused the request: INTERNAL: broken")
    assert (tally.clips, tally.answered, tally.lost) == (len(found), len(found) // 2, (len(found) + 1) // 2)


def test_a_camera_goes_on_when_too_many_clips_wait(two_classes, video, frames, start_server, monkeypatch):
    monkeypatch.setattr("tsd_tf.client.recognizer._MOST_WAITING", 2)
    go_on = threading.Event()
    threading.Timer(3, go_on.set).start()
    address = f"127.0.0.1:{start_server('grpc', lambda authorization: go_on.wait(30)).port}"
    found, tally = _watched(two_classes, address, video, max_in_flight=1)
    assert [event.start for event in found] == [8 * index / 25 for index in range(len(frames) // 8)]
    assert [isinstance(event, LostClip) for event in found[:3]] == [False, False, True]
    assert found[2].reason == "2 clips wait for the server already"
    assert (tally.clips, tally.answered + tally.lost) == (len(found), len(found))


def test_a_camera_whose_server_was_never_there_ends(distiller, video, nobody):
    with pytest.raises(ServerAwayError, match="no server at"):
        _watched(distiller, f"127.0.0.1:{nobody}", video, Retries(0))


def test_a_camera_whose_server_is_away_for_too_long_goes_on(two_classes, video, frames, start_server, refusal):
    asked = []

    def answer(authorization):
        asked.append(1)
        if 2 <= len(asked) <= 3:
            raise refusal(grpc.StatusCode.UNAVAILABLE, 503, "not now")

    address = f"127.0.0.1:{start_server('grpc', answer).port}"
    found, _ = _watched(two_classes, address, video, Retries(0), max_in_flight=1)
    assert len(found) == len(frames) // 8
    assert [isinstance(event, LostClip) for event in found[:4]] == [False, True, True, False]


def test_a_stride_beyond_the_clip_is_refused(distiller):
    with pytest.raises(UserError, match=r"`stride` must be between 1 and T = 8. Received: stride=9"):
        Recognizer(distiller, None, stride=9)


def test_a_server_of_another_export(exported, server, distiller, video, tmp_path):
    for path in exported.folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "labels.txt").write_text("".join(f"other {index}\n" for index in range(6)))
    connection = GrpcConnection(server.address)
    with pytest.raises(UserError, match="they are of different exports"):
        Recognizer(Distiller(tmp_path / "client.tflite"), connection).recognize(video)
    connection.close()


@pytest.fixture
def changed_export(exported, tmp_path):
    """A function: a copy of the export's client half whose client.json says something else."""

    def change(**changes):
        for path in exported.folder.iterdir():
            if path.is_file():
                shutil.copy(path, tmp_path)
        sidecar = json.loads((tmp_path / "client.json").read_text())
        (tmp_path / "client.json").write_text(json.dumps({**sidecar, **changes}))
        return Distiller(tmp_path / "client.tflite")

    return change


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_of_another_version_or_of_other_clips(server, video, changed_export, protocol):
    def ask(**changes):
        notes = []
        connection = GrpcConnection(server.address) if protocol == "grpc" else RestConnection(server.url)
        recognizer = Recognizer(changed_export(**changes), connection, "raw", note=notes.append)
        try:
            assert recognizer.recognize(video).version == 1
        finally:
            recognizer.close()
            connection.close()
        return notes

    (note,) = ask(version=7)
    assert note.endswith(
        "answers with version 1 of the model, and this client half is of version 7: they were not tested together"
    )
    assert ask() == []
    with pytest.raises(UserError, match="clips of 4 frames of 64 x 64, and this client half makes them of 5 frames of"):
        ask(num_distilled_frames=5)


def test_a_new_version_is_noticed_while_it_goes_on(exported, distiller, video, tmp_path):
    shutil.copytree(exported.folder / "cloud/1", tmp_path / "1")
    notes = []
    with BackgroundServer(tmp_path, poll_seconds=0.1) as server:
        connection = GrpcConnection(server.address)
        recognizer = Recognizer(distiller, connection, "raw", note=notes.append)
        assert recognizer.recognize(video).version == 1
        shutil.copytree(exported.folder / "cloud/1", tmp_path / "incoming")
        (tmp_path / "incoming").rename(tmp_path / "2")
        deadline = time.monotonic() + 60
        while recognizer.recognize(video).version == 1:
            assert time.monotonic() < deadline
        assert recognizer.recognize(video).version == 2
        recognizer.close()
        connection.close()
    assert [note.partition(" answers ")[2][:23] for note in notes] == ["with version 2 of the m"]


def test_a_client_half_that_is_not_whole(exported, tmp_path):
    with pytest.raises(UserError, match="no client half: looked for .*, but .*client.tflite is missing"):
        Distiller(tmp_path / "client.tflite")
    shutil.copy(exported.folder / "client.tflite", tmp_path)
    with pytest.raises(UserError, match="client.json is missing"):
        Distiller(tmp_path / "client.tflite")
    for name in ("client.json", "labels.txt"):
        shutil.copy(exported.folder / name, tmp_path)
    Distiller(tmp_path / "client.tflite")
    (tmp_path / "client.tflite").write_bytes(b"x" + (tmp_path / "client.tflite").read_bytes()[1:])
    with pytest.raises(UserError, match="is not the file that .*client.json describes"):
        Distiller(tmp_path / "client.tflite")
    (tmp_path / "client.json").write_text("{}")
    with pytest.raises(UserError, match="not the sidecar of a client half"):
        Distiller(tmp_path / "client.tflite")


# servers that are not there


@pytest.fixture
def nobody():
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


_REQUEST = ("serving_default", {"frames": np.zeros((1, 4, 64, 64, 3), "uint8")})


def test_no_server(nobody):
    for kind, server in ((GrpcConnection, f"127.0.0.1:{nobody}"), (RestConnection, f"http://127.0.0.1:{nobody}")):
        connection = kind(server, retries=Retries(0.5, first_pause=0.01))
        with pytest.raises(
            ServerAwayError, match=rf"no server at .*127.0.0.1:{nobody} \(asked \d+ times in .*`server` names another"
        ):
            connection.classify(*_REQUEST)
        connection.close()


def test_refusals_are_not_repeated(server):
    bad = ("serving_default", {"frames": np.zeros((1, 3, 64, 64, 3), "uint8")})
    with pytest.raises(UserError, match="refused the request: INVALID_ARGUMENT: input frames must have shape"):
        GrpcConnection(server.address).classify(*bad)
    with pytest.raises(UserError, match="refused the request: HTTP 400: .*input frames must have shape"):
        RestConnection(server.url).classify(*bad)
    with pytest.raises(UserError, match="refused the request: NOT_FOUND: Servable not found"):
        GrpcConnection(server.address, "other").classify(*_REQUEST)


def test_a_server_that_does_not_answer(server):
    with pytest.raises(UserError, match="did not answer within 0.0001 s; a larger `timeout` allows more"):
        GrpcConnection(server.address, timeout=0.0001).classify(*_REQUEST)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = RestConnection(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        with pytest.raises(UserError, match="did not answer within 0.1 s"):
            connection.classify(*_REQUEST)


def test_it_reconnects(exported):
    """A server that comes while the client asks, goes, and comes again."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    connection = GrpcConnection(f"127.0.0.1:{port}", retries=Retries(600, longest_pause=0.1))
    answers = []
    for _ in range(2):
        asking = threading.Thread(target=lambda: answers.append(connection.classify(*_REQUEST)), daemon=True)
        asking.start()
        with BackgroundServer(exported.folder / "cloud", port=port):
            asking.join(timeout=60)
    connection.close()
    assert len(answers) == 2
    assert answers[0].probabilities == pytest.approx(answers[1].probabilities, abs=1e-6)


# the program, in a process of its own

_PROGRAM = """
import sys
from tsd_tf.client import __main__ as program
sys.argv = {arguments!r}
try:
    program.start()
except SystemExit as end:
    print(end.code or 0)
print(sorted(name for name in sys.modules if name.startswith("tsd_tf") and not name.startswith("tsd_tf.client")))
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "tensorflow_serving", "jax"}}))
"""


def test_the_process_has_neither_tensorflow_nor_keras(exported, server, video, tmp_path):
    arguments = [
        "tsd-client",
        str(video),
        f"--model={exported.folder}/client.tflite",
        f"--server={server.address}",
        f"--save_distilled={tmp_path}/frames.png",
        f"--save_clips={tmp_path}/clips.npz",
        "--json",
    ]
    script = _PROGRAM.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    line, summary, code, ours, heavy = done.stdout.splitlines()
    assert code == "0"
    assert ours == str(
        [
            "tsd_tf",
            "tsd_tf.contract",
            "tsd_tf.contract.errors",
            "tsd_tf.contract.files",
            "tsd_tf.contract.lite_interpreter",
            "tsd_tf.contract.messages",
            "tsd_tf.contract.model_metadata",
            "tsd_tf.contract.native_output",
            "tsd_tf.contract.signatures",
            "tsd_tf.contract.text",
            "tsd_tf.contract.wire_format",
            "tsd_tf.programs",
            "tsd_tf.programs.client",
            "tsd_tf.programs.command_line",
            "tsd_tf.programs.quiet_import",
            "tsd_tf.programs.video_flags",
            "tsd_tf.video",
            "tsd_tf.video.clip_coding",
            "tsd_tf.video.codec",
            "tsd_tf.video.distilled_clip",
            "tsd_tf.video.finding",
            "tsd_tf.video.frame_filter",
            "tsd_tf.video.geometry",
            "tsd_tf.video.isolated_decoder",
            "tsd_tf.video.jpeg",
            "tsd_tf.video.limits",
            "tsd_tf.video.picture_bounds",
            "tsd_tf.video.picture_files",
            "tsd_tf.video.pictures",
            "tsd_tf.video.priority",
        ]
    )
    assert heavy == "[]"
    result = json.loads(line)
    counts = {"clips": result["clips"], "answered": result["clips"], "lost": 0, "retries": 0, "videos": 1}
    assert json.loads(summary)["summary"].items() >= counts.items()
    assert result["source"] == str(video)
    assert result["label"] in exported.labels
    assert len(result["probabilities"]) == 6
    clips = distilled_clip.read(tmp_path / "clips.npz")
    rows = pictures.rows_of_frames([clip.distilled_frames for clip in clips])
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "frames.png"))[..., ::-1], rows)
    assert len(clips) == result["clips"]


def test_a_mistake_is_one_line(exported, video, nobody):
    program = [sys.executable, "-m", "tsd_tf.client", f"--model={exported.folder}/client.tflite", "--retry_for=0"]
    for arguments, text in (
        ([str(video), f"--server=127.0.0.1:{nobody}"], f"no server at 127.0.0.1:{nobody}"),
        ([str(video), f"--server=127.0.0.1:{nobody}"], "starts one, --server names another"),
        ([str(video), "--stride=9"], "--stride must be between 1 and T = 8. Received: --stride=9"),
        ([], "name a video, a folder of videos, or --camera=0"),
        (["--camera=97"], "no camera 97 that OpenCV can open"),
        ([f"--camera=http://127.0.0.1:{nobody}/live"], f"no stream at http://127.0.0.1:{nobody}/live"),
        (["--camera=0", "--save_clips=clips.npz"], "--save_distilled and --save_clips are for videos, which end"),
        (["--camera=front"], "--camera must be a number or the URL of a stream. Received: --camera=front"),
    ):
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert text in line


def test_a_folder_with_a_bad_file(exported, server, video, tmp_path):
    shutil.copy(video, tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "notes.txt").write_text("no video")
    program = [sys.executable, "-m", "tsd_tf.client", f"--model={exported.folder}/client.tflite"]
    done = subprocess.run(
        [*program, str(tmp_path), f"--server={server.address}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"error: {tmp_path}/bad.mp4: no video stream that FFmpeg can decode" in done.stderr
    first, *_, last, summary = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path}/good.mp4: class ")
    assert "kB of distilled frames (jpeg); all frames as JPEG" in last
    assert re.fullmatch(
        r"(\d+) of \1 clips answered, 0 lost, 0 requests sent again, 1 of 2 videos without an answer", summary
    )


@pytest.fixture
def run_client(exported, server):
    """Runs the client on the arguments, with JPEG; returns (exit code, JSON answers, lines of stderr)."""

    def run(*arguments, codec="jpeg"):
        program = [sys.executable, "-m", "tsd_tf.client", f"--model={exported.folder}/client.tflite", "--json"]
        codec = [f"--codec={codec}"] if codec else []
        done = subprocess.run(
            [*program, *codec, f"--server={server.address}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines() if not line.startswith('{"summary"')]
        return done.returncode, answers, done.stderr.splitlines()

    return run


@pytest.mark.parametrize("protocol", ["address", "url"])
def test_a_server_without_a_gateway(server, video, run_client, protocol):
    """It is TensorFlow Serving's part, which does not know coded clips, and says so in the same words."""
    address = f"--server={getattr(server, protocol)}"
    code, (answer,), (line,) = run_client(video, address, codec=None)
    assert (code, answer["codec"]) == (0, "jpeg")
    assert line == (
        "the server takes no h264 without a gateway (python -m tsd_tf.gateway); distilled frames travel as jpeg"
    )
    assert answer["probabilities"] == pytest.approx(run_client(video, address)[1][0]["probabilities"], abs=1e-6)
    code, answers, (line,) = run_client(video, address, codec="av1")
    assert (code, answers) == (1, [])
    assert line.startswith("error: ")
    assert "for --codec av1 a gateway (python -m tsd_tf.gateway) must stand before the server" in line


def test_what_a_refused_clip_took_is_counted(server, distiller, video):
    connection = GrpcConnection(server.address)
    jpeg = Recognizer(distiller, connection, "jpeg").recognize(video)
    with pytest.warns(UserWarning, match="without a gateway"):
        both = Recognizer(distiller, connection, max_in_flight=1).recognize(video)
    connection.close()
    assert both.bytes["distilled"] > jpeg.bytes["distilled"]
    assert both.bytes["frames"] == jpeg.bytes["frames"]
    assert both.probabilities == pytest.approx(jpeg.probabilities, abs=1e-6)


def test_hardware_that_is_missing_is_one_line(video, run_client):
    code, (answer,), lines = run_client(video, "--encoder=h264_v4l2m2m", codec=None)
    assert (code, answer["codec"]) == (0, "jpeg")
    assert len(lines) == 2
    assert lines[0].startswith("FFmpeg's encoder h264_v4l2m2m cannot encode frames of shape (4, 64, 64, 3) here: ")
    assert lines[0].endswith("; distilled frames travel as h264 of another encoder")
    assert lines[1].startswith("the server takes no h264 without a gateway")


def test_a_certificate_that_is_not_believed_is_one_line(video, run_client, start_server, authority):
    for protocol, scheme in (("grpc", "grpcs"), ("rest", "https")):
        port = start_server(protocol, certificate=authority.certificate("server")).port
        address = f"{scheme}://localhost:{port}"
        assert run_client(video, f"--server={address}") == (
            1,
            [],
            [
                f"error: no connection to {address}: its certificate is of an authority unknown here, or signed by "
                "itself; --ca names its authority's file"
            ],
        )


def test_a_token_is_not_shown(video, run_client, start_server, authority, refusal, tmp_path):
    def answer(authorization):
        raise refusal(grpc.StatusCode.UNAUTHENTICATED, 401, f"no {authorization}")

    (tmp_path / "token").write_text("secret-1")
    port = start_server("grpc", answer, authority.certificate("server")).port
    flags = [f"--server=grpcs://localhost:{port}", f"--ca={authority.ca}", f"--token_file={tmp_path}/token"]
    code, answers, (line,) = run_client(video, *flags)
    assert (code, answers) == (1, [])
    assert line == (
        f"error: grpcs://localhost:{port} refused the request: UNAUTHENTICATED: no Bearer ...; the token in "
        "--token_file is wrong, or no longer valid"
    )


def test_a_folder_as_the_builders_search_it(video, run_client, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(video, tmp_path / "elsewhere/phone.3gp")
    folder = tmp_path / "folder"
    (folder / "x.mp4").mkdir(parents=True)
    shutil.copy(video, folder / "b.mp4")
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    (folder / "c.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "._b.mp4").write_bytes(b"Mac OS X")
    (folder / "z").symlink_to(folder)
    code, answers, errors = run_client(folder)
    assert (code, errors) == (0, [])
    assert [answer["source"] for answer in answers] == [f"{folder}/a/phone.3gp", f"{folder}/b.mp4"]
    assert [answer["shortfall"] for answer in answers] == ["", ""]
    assert answers[0]["probabilities"] == pytest.approx(answers[1]["probabilities"], abs=1e-6)


def test_a_video_that_can_be_read_in_part(video, run_client, tmp_path):
    """One that starts with its header, for the web: cut off, it still promises all frames."""
    with av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuvj420p"
        for index in range(50):
            picture = np.full((64, 64, 3), 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    whole = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(whole[: 2 * len(whole) // 3])
    shutil.copy(video, tmp_path / "whole.mp4")
    code, answers, errors = run_client(tmp_path)
    assert (code, errors) == (0, [])
    assert "of the 2.00 s that the file's header promises could be read" in answers[0]["shortfall"]
    assert answers[0]["shortfall"].startswith("only ")
    assert answers[1]["shortfall"] == ""


def test_a_folder_of_pictures_beside_a_video(video, run_client, tmp_path):
    """Photographs beside videos must not keep those from their answers."""
    shutil.copy(video, tmp_path / "v.mp4")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/IMG_0001.JPG").touch()
    (tmp_path / "photos/IMG_0002.JPG").touch()
    code, (answer,), errors = run_client(tmp_path)
    assert (code, answer["source"]) == (0, f"{tmp_path}/v.mp4")
    (line,) = errors
    assert line.startswith(f"left out a folder of numbered pictures, {tmp_path}/photos; --frame_folder_rate")


def test_folders_of_pictures(frames, run_client, tmp_path):
    folder = tmp_path / "pictures/one"
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames[:16]):
        (folder / f"img_{index + 1}.jpg").write_bytes(picture_files.encode(frame, "jpeg"))
    (folder / "img_9.jpg").write_bytes(b"")
    for argument in (folder, folder.parent):
        code, answers, errors = run_client(argument)
        assert (code, answers) == (1, [])
        assert errors == [
            f"error: {folder} is a folder of numbered pictures; --frame_folder_rate says how many pictures a second a "
            "folder of numbered pictures holds, for example 12 for Something-Something and Jester"
        ]
        code, (answer,), errors = run_client(argument, "--frame_folder_rate=12.5")
        assert (code, errors, answer["source"], answer["clips"]) == (0, [], str(folder), 4)
        assert answer["shortfall"] == "passed over 1 of 16 pictures that are damaged, the first img_9.jpg"
        assert answer["bytes"]["video"] == sum(path.stat().st_size for path in folder.iterdir())
