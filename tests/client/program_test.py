"""The program in a process of its own, where something goes wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest

from benchmarks.faulty_stream import FaultyStream
from tsd_tf.serving.server import BackgroundServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def video(sample_videos):
    return sorted((sample_videos / "test").rglob("*.mp4"))[0]


@pytest.fixture
def folder(video, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(video, folder / name)
    return folder


@pytest.fixture
def start_client(exported):
    """A function: starts the client in JSON; a process, whose `lines` of stderr come as they are written."""
    running = []

    def start(*arguments, model=exported.folder / "client.tflite"):
        command = [sys.executable, "-m", "tsd_tf.client", f"--model={model}", "--json", "--codec=jpeg"]
        process = subprocess.Popen(
            [*command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        process.lines = []

        def read():
            for line in process.stderr:
                if not line.startswith("INFO: Created TensorFlow Lite"):
                    process.lines.append(line.rstrip("\n"))

        process.reading = threading.Thread(target=read, daemon=True)
        process.reading.start()
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.reading.join()
        process.stdout.close()
        process.stderr.close()


def _ended(process):
    """(exit code, answers, summary, lines of stderr)"""
    objects = [json.loads(line) for line in process.stdout]
    code = process.wait(timeout=60)
    process.reading.join()
    summary = objects.pop()["summary"]
    return code, objects, summary, process.lines


def _wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_that_restarts_does_not_end_a_folder(exported, folder, start_client, protocol):
    port = _free_port()
    address = f"127.0.0.1:{port}" if protocol == "grpc" else f"http://127.0.0.1:{port}"
    client = start_client(folder, f"--server={address}")
    _wait_for(lambda: client.lines)
    time.sleep(0.5)
    ports = {"port": port} if protocol == "grpc" else {"rest_port": port}
    with BackgroundServer(exported.folder / "cloud", **ports):
        code, answers, summary, lines = _ended(client)
    assert (code, len(answers)) == (0, 3)
    assert len(lines) == 2
    assert lines[0].startswith(f"{address} is away, and is asked again for up to ")
    assert lines[1].startswith(f"{address} answers again, after ")
    assert (summary["answered"], summary["lost"]) == (summary["clips"], 0)
    assert summary["retries"] > 0


def test_a_server_that_never_comes_ends_a_folder_once(folder, start_client):
    code, answers, summary, lines = _ended(start_client(folder, f"--server=127.0.0.1:{_free_port()}", "--retry_for=2"))
    assert (code, answers) == (1, [])
    assert " is away, and is asked again for up to " in lines[0]
    assert lines[1].startswith("error: no server at ")
    assert len(lines) == 2
    assert summary["lost"] > 0
    assert (summary["videos"], summary["videos_without_answer"]) == (3, 3)


def test_a_clip_that_is_refused_costs_its_video(exported, folder, start_client, start_server, refusal, tmp_path):
    for name in ("client.tflite", "client.json"):
        shutil.copy(exported.folder / name, tmp_path)
    (tmp_path / "labels.txt").write_text("zero\none\n")
    asked = []

    def answer(authorization):
        asked.append(1)
        if len(asked) == 1:
            raise refusal(grpc.StatusCode.INTERNAL, 500, "something\nbroke")

    for protocol, scheme in (("grpc", ""), ("rest", "http://")):
        asked.clear()
        address = f"{scheme}127.0.0.1:{start_server(protocol, answer).port}"
        client = start_client(folder, f"--server={address}", model=tmp_path / "client.tflite")
        code, answers, summary, lines = _ended(client)
        assert code == 1
        assert [answer["source"] for answer in answers] == [str(folder / "b.mp4"), str(folder / "c.mp4")]
        assert [answer["label"] for answer in answers] == ["one", "one"]
        reason = "INTERNAL" if protocol == "grpc" else "HTTP 500"
        error = f"error: {folder}/a.mp4: {address} refused the request: {reason}: something broke"
        versions = [line for line in lines if "answers with version 7" in line]
        assert lines.count(error) == 1
        assert len(versions) == (protocol == "grpc")
        assert len(lines) == 1 + len(versions)
        assert (summary["lost"], summary["videos"], summary["videos_without_answer"]) == (1, 3, 1)


def test_names_of_any_bytes(video, server, start_client, tmp_path):
    for name in (b"a.mp4", b"caf\xe9.mp4", b"two\nlines \x1b[2J.mp4"):
        shutil.copy(video, os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / os.fsdecode(b"\xff.mp4")).write_text("no video")
    client = start_client(tmp_path, f"--server={server.address}", f"--save_distilled={tmp_path}/pictures")
    code, answers, summary, lines = _ended(client)
    assert code == 1
    names = ["a.mp4", "caf\\xe9.mp4", "two\\nlines \\x1b[2J.mp4"]
    assert sorted(answer["source"] for answer in answers) == [f"{tmp_path}/{name}" for name in names]
    json.dumps(answers, ensure_ascii=False).encode()  # no half of a pair, which others' JSON does not take
    (line,) = lines
    assert line.startswith(f"error: {tmp_path}/\\xff.mp4: no video stream that FFmpeg can decode")
    assert b"caf\xe9.png" in os.listdir(os.fsencode(tmp_path / "pictures"))


_SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.mark.parametrize(("number", "code", "word"), _SIGNALS)
def test_a_signal_ends_a_camera(server, start_client, number, code, word):
    with FaultyStream() as stream:
        client = start_client(f"--camera={stream.url}", f"--server={server.address}")
        first = json.loads(client.stdout.readline())
        assert first["source"] == stream.url
        client.send_signal(number)
        began = time.monotonic()
        found, _, summary, lines = _ended(client)
    assert time.monotonic() - began < 5
    assert (found, lines) == (code, [word])
    assert summary["answered"] >= 1


@pytest.mark.parametrize(("number", "code", "word"), _SIGNALS)
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_signal_ends_the_waiting_for_a_server(folder, start_client, raw_server, protocol, number, code, word):
    scheme = "" if protocol == "grpc" else "http://"
    silent = raw_server(lambda connection: time.sleep(60))
    for port in (_free_port(), silent):
        client = start_client(folder, f"--server={scheme}127.0.0.1:{port}")
        if port == silent:
            time.sleep(5)
        else:
            _wait_for(lambda client=client: client.lines)
        client.send_signal(number)
        began = time.monotonic()
        found, answers, summary, lines = _ended(client)
        assert time.monotonic() - began < 5
        assert (found, answers, lines[-1]) == (code, [], word)
        assert len(lines) == (1 if port == silent else 2)
        assert summary["answered"] == 0


def test_a_signal_ends_the_waiting_for_a_camera(server, start_client):
    with FaultyStream() as stream:
        client = start_client(f"--camera={stream.url}", f"--server={server.address}")
        client.stdout.readline()
        stream.drop(1000)
        _wait_for(lambda: client.lines)
        client.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, _, _, lines = _ended(client)
    assert time.monotonic() - began < 5
    assert code == 130
    assert lines[0].startswith(f"{stream.url} is lost, and is opened again for up to 60 s: ")
    assert lines[1:] == ["interrupted"]
