"""The web page in a real browser: the same numbers as the Python client, and what a person is told."""

import base64
import contextlib
import hashlib
import json
import re
import shutil

import av
import numpy as np
import pytest

from tsd_tf import models
from tsd_tf.client.distiller import Distiller
from tsd_tf.client.recognizer import Recognizer
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.contract import signatures
from tsd_tf.gateway import tokens
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving.server import BackgroundServer
from tsd_tf.video import video_writing
from tsd_tf.video.codec import EncodedClip

pytestmark = pytest.mark.slow

_SECONDS = 60_000  # milliseconds that anything may take on a busy machine
# What a page cannot hand over as it is: arrays, as Base64.
_RECOGNIZE = """async (source) => {
    const text = (bytes) => {
        const all = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        let characters = "";
        for (const value of all) characters += String.fromCharCode(value);
        return btoa(characters);
    };
    const binary = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const from = typeof source === "string" ? source : new File([binary(source.content)], source.name);
    const result = await tsd.recognizeFile(from);
    const clips = result.clips.map((clip) => ({
        ...clip,
        frames: text(clip.frames),
        distilled: text(clip.distilled),
        matrix: text(clip.matrix),
        packets: clip.packets.map(text),
    }));
    return { ...result, clips };
}"""
_DISTILL = """async (content) => {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    const { frames, matrix } = await tsd.distillFrames(bytes);
    return [Array.from(frames), Array.from(matrix)];
}"""


_VIDEOS = sorted((models.ACTIONS / models.VIDEOS_DIR).rglob("*.mp4"))


@pytest.fixture(scope="module")
def distiller():
    return Distiller(models.ACTIONS / "client.tflite")


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory):
    """What Chromium shows as its camera."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    draw = np.random.default_rng(0)
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for level in draw.integers(0, 255, 50):
            picture = np.full((240, 320, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def chromium(launch, camera_file):
    """A browser with a camera."""
    arguments = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera_file}"]
    with launch(arguments) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(serve):
    with serve() as running:
        yield running


@pytest.fixture
def open_page(chromium):
    """A function: a page of a gateway that is ready for use, as `page`; what its console says is in `page.said`."""
    with contextlib.ExitStack() as stack:

        def start(gateway, script="", is_ready=True, browser=chromium, **options):
            context = browser.new_context(**options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(_SECONDS)
            page.said, page.asked = [], []
            page.on("console", lambda message: page.said.append(message.text))
            page.on("pageerror", lambda error: page.said.append(f"uncaught: {error}"))
            page.on("request", lambda request: page.asked.append(request.url))
            if script:
                page.add_init_script(script)
            page.goto(f"{gateway.url}/")
            if is_ready:
                page.evaluate("tsd.ready")
            return page

        yield start


def _array(text, dtype="uint8", shape=(-1,)):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def _source(path, name=None):
    """A file as `_RECOGNIZE` takes it."""
    content = path if isinstance(path, bytes) else path.read_bytes()
    return {"content": base64.b64encode(content).decode(), "name": name or path.name}


def _python_clips(distiller, gateway, path):
    """The DistilledClips of the Python client."""
    clips = []
    connection = RestConnection(gateway.url)
    recognizer = Recognizer(distiller, connection, stride=models.overlapping(distiller.model.num_frames))
    try:
        recognizer.recognize(path, clips.append)
        return clips
    finally:
        recognizer.close()
        connection.close()


def _answer_to(gateway, clip):
    """The probabilities that the Python client gets for what the page has sent."""
    packets = [base64.b64decode(packet) for packet in clip["packets"]]
    encoded = EncodedClip(signatures.JPEG, {signatures.FRAMES_BYTES: np.array([packets], object)})
    if clip["codec"] != "jpeg":
        inputs = {
            signatures.PACKETS: np.array([packets], object),
            signatures.CODEC: np.array([clip["codec"].encode()], object),
            signatures.ORDER: np.array([clip["order"]], np.uint8),
        }
        encoded = EncodedClip(signatures.CODED, inputs)
    connection = RestConnection(gateway.url)
    try:
        return connection.classify(*encoded).probabilities.tolist()
    finally:
        connection.close()


def _problem(page):
    page.locator("#problem p").wait_for()
    return page.locator("#problem p").text_content()


class TestTheSameNumbers:
    """As the Python client."""

    def test_a_clip_as_it_is(self, open_page, gateway, distiller):
        page = open_page(gateway)
        noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
        for clip in (noise, _python_clips(distiller, gateway, _VIDEOS[0])[0].frames):
            frames, matrix = page.evaluate(_DISTILL, base64.b64encode(clip.tobytes()).decode())
            expected_frames, expected_matrix = distiller.distill(clip)
            np.testing.assert_allclose(np.reshape(matrix, expected_matrix.shape), expected_matrix, atol=1e-4)
            difference = np.reshape(frames, expected_frames.shape) - expected_frames.astype(int)
            assert np.abs(difference).max() <= 1

    @pytest.mark.parametrize("size", [(64, 64), (96, 72), (320, 180)])
    def test_a_file(self, open_page, gateway, distiller, tmp_path, size):
        width, height = size
        ramp = np.linspace(0, 200, width)[None, None, :, None] * [1, 0.6, 0.3]
        moving = 40 * np.sin(np.arange(30)[:, None, None, None] / 3 + np.linspace(0, 6, height)[:, None, None])
        video_writing.write_video(tmp_path / "a.mp4", np.clip(ramp + moving + 40, 0, 255).astype("uint8"), 25)
        result = open_page(gateway).evaluate(_RECOGNIZE, _source(tmp_path / "a.mp4"))
        expected = _python_clips(distiller, gateway, tmp_path / "a.mp4")
        assert [clip["start"] for clip in result["clips"]] == [clip.start for clip in expected] == [0, 10]
        for clip, python in zip(result["clips"], expected, strict=True):
            frames = _array(clip["frames"], shape=python.frames.shape)
            distilled = _array(clip["distilled"], shape=python.distilled_frames.shape)
            matrix = _array(clip["matrix"], "float32", python.transformation_matrix.shape)
            assert np.abs(frames - python.frames.astype(int)).max() <= 1
            assert np.abs(distilled - python.distilled_frames.astype(int)).max() <= 1
            np.testing.assert_allclose(matrix, python.transformation_matrix, atol=1e-4)

    @pytest.mark.parametrize("codec", ["h264", "vp9", "av1", "jpeg"])
    def test_the_answer_is_that_to_the_same_request(self, open_page, gateway, codec):
        page = open_page(gateway)
        page.locator("#codec").select_option(codec)
        result = page.evaluate(_RECOGNIZE, _source(_VIDEOS[0]))
        for clip in result["clips"]:
            assert clip["codec"] == codec
            assert clip["probabilities"] == pytest.approx(_answer_to(gateway, clip), abs=1e-6)

    @pytest.mark.parametrize("is_isolated", [True, False])
    def test_ten_clips_in_a_row(self, open_page, serve, distiller, is_isolated):
        with serve(is_isolated=is_isolated) as gateway:
            page = open_page(gateway)
            assert page.evaluate("crossOriginIsolated") is is_isolated
            assert (page.evaluate("tsd.runtime()")["threads"] > 1) is is_isolated
            count, memory = 0, []
            while count < 10:
                for path in _VIDEOS:
                    result = page.evaluate(_RECOGNIZE, _source(path))
                    assert result["label"] == path.parent.name
                    expected = _python_clips(distiller, gateway, path)
                    assert [clip["start"] for clip in result["clips"]] == [clip.start for clip in expected]
                    for clip, python in zip(result["clips"], expected, strict=True):
                        matrix = _array(clip["matrix"], "float32", python.transformation_matrix.shape)
                        np.testing.assert_allclose(matrix, python.transformation_matrix, atol=1e-4)
                        assert clip["probabilities"] == pytest.approx(_answer_to(gateway, clip), abs=1e-6)
                    count += len(expected)
                    memory.append(page.evaluate("tsd.memory()")["litert"])
            assert len(set(memory)) == 1


class TestWhatAPersonSees:
    """And hears, and does."""

    def test_a_sample_is_answered(self, open_page, gateway, distiller):
        page = open_page(gateway)
        assert page.locator(".privacy").is_visible()
        page.locator("#samples button").first.click()
        page.locator("body[data-state=answer]").wait_for()
        label, share = re.fullmatch(r"(.+), (\d+) %", page.locator("#answer").text_content()).groups()
        assert label in distiller.labels
        assert 0 < int(share) <= 100
        assert page.locator("#classes li").count() == 5
        assert page.locator("#ghosts canvas, #ghosts img").count() == 5
        assert page.locator("#heat-map").is_visible()
        assert page.locator("#account tbody tr").count() > 2

    def test_nothing_is_asked_for_elsewhere_and_nothing_is_forbidden(self, open_page, gateway):
        page = open_page(gateway)
        page.locator("#samples button").first.click()
        page.locator("body[data-state=answer]").wait_for()
        assert {url for url in page.asked if not url.startswith((gateway.url, f"blob:{gateway.url}"))} == set()
        assert [text for text in page.said if "Content Security Policy" in text or "uncaught" in text] == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing(self, open_page, gateway, scheme):
        from axe_playwright_python.sync_playwright import Axe

        page = open_page(gateway, color_scheme=scheme)
        for state in ("idle", "answer", "error"):
            if state == "answer":
                page.locator("#samples button").first.click()
            elif state == "error":
                page.locator("#file").set_input_files({"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"none"})
            page.locator(f"body[data-state={state}]").wait_for()
            found = Axe().run(page)
            assert found.violations_count == 0, f"{state}: {found.generate_report()}"

    def test_a_phone_needs_no_scrolling_to_the_side(self, open_page, gateway):
        page = open_page(gateway, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
        page.locator("#samples button").first.tap()
        page.locator("body[data-state=answer]").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    def test_by_the_keyboard(self, open_page, gateway):
        page = open_page(gateway)
        places = []
        for _ in range(20):
            page.keyboard.press("Tab")
            places.append(page.evaluate("document.activeElement.id || document.activeElement.parentElement.tagName"))
            if places[-1] == "LI":
                break
        assert places[:2] == ["camera", "file"]
        page.keyboard.press("Enter")
        page.locator("body[data-state=answer]").wait_for()

    def test_the_camera(self, open_page, gateway, distiller):
        page = open_page(gateway, permissions=["camera"])
        page.locator("#camera").click()
        page.locator("#answer:not(:empty)").wait_for()
        assert page.locator("body").get_attribute("data-state") == "camera"
        assert page.locator("#picture").is_visible()
        result = page.evaluate("tsd.lastResult().then(({label, clips}) => [label, clips.length])")
        assert (result[0] in distiller.labels, result[1]) == (True, 1)
        page.locator("#stop").click()
        page.locator("body[data-state=answer]").wait_for()
        assert page.locator("#status").text_content() == "The camera is off."
        assert page.evaluate("document.getElementById('picture').srcObject") is None


class TestWhatGoesWrong:
    """Each in one sentence, with a way on."""

    def test_the_camera_is_refused(self, open_page, gateway):
        page = open_page(gateway)
        page.locator("#camera").click()
        assert "The camera was refused." in _problem(page)
        page.locator("#samples button").first.click()  # and the page goes on
        page.locator("body[data-state=answer]").wait_for()

    def test_there_is_no_camera(self, open_page, gateway):
        gone = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };"
        page = open_page(gateway, gone)
        page.locator("#camera").click()
        assert "No camera was found." in _problem(page)

    def test_without_an_encoder_pictures_travel(self, open_page, gateway):
        page = open_page(gateway, "delete window.VideoEncoder;")
        assert "travel as JPEG" in page.locator("#status").text_content()
        result = page.evaluate(_RECOGNIZE, _source(_VIDEOS[0]))
        assert {clip["codec"] for clip in result["clips"]} == {"jpeg"}

    def test_without_webcodecs_the_player_reads_the_video(self, open_page, gateway):
        page = open_page(gateway, "delete window.VideoEncoder; delete window.VideoDecoder;")
        result = page.evaluate(_RECOGNIZE, _source(_VIDEOS[0]))
        assert {clip["codec"] for clip in result["clips"]} == {"jpeg"}

    @pytest.mark.parametrize(
        "content",
        [b"", b"no video at all", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(1000)],
        ids=["empty", "text", "head"],
    )
    def test_a_file_that_is_no_video(self, open_page, gateway, content):
        page = open_page(gateway)
        page.locator("#file").set_input_files({"name": "a.mp4", "mimeType": "video/mp4", "buffer": content})
        assert re.search("video|file", _problem(page))
        page.locator("#samples button").first.click()
        page.locator("body[data-state=answer]").wait_for()
        assert page.locator("#problem p").count() == 0

    def test_half_a_video(self, open_page, gateway):
        page = open_page(gateway)
        content = _VIDEOS[0].read_bytes()
        page.locator("#file").set_input_files(
            {"name": "a.mp4", "mimeType": "video/mp4", "buffer": content[: len(content) // 2]}
        )
        assert _problem(page)

    def test_a_model_of_another_export(self, open_page, serve, save_model, tmp_path):
        save_model(tmp_path / "1")
        with BackgroundServer(tmp_path) as other, serve(backend=other) as gateway:
            page = open_page(gateway, is_ready=False)
            assert "serves a model of clips of 4 frames of 16 x 16" in _problem(page)
            assert not any("predict" in url for url in page.asked)

    def test_the_server_goes(self, open_page, serve):
        with contextlib.ExitStack() as stack:
            backend = stack.enter_context(BackgroundServer(models.ACTIONS / "cloud"))
            with serve(backend=backend) as gateway:
                page = open_page(gateway)
                page.evaluate(_RECOGNIZE, _source(_VIDEOS[0]))
                stack.close()  # the server behind the gateway
                page.locator("#file").set_input_files(_VIDEOS[0])
                assert "The server is away (HTTP 503" in _problem(page)
            # And now the gateway.
            page.locator("#file").set_input_files(_VIDEOS[1])
            page.locator("#problem p", has_text="The server does not answer").wait_for()

    def test_a_token_is_asked_for_and_kept_in_memory_only(self, open_page, serve, tmp_path):
        (tmp_path / "tokens").write_text(tokens.TokenEntry("phone", tokens.sha256("right one")).line() + "\n")
        with serve(tokens=Tokens(tmp_path / "tokens")) as gateway:
            page = open_page(gateway)
            assert page.locator("#token").is_visible()
            page.locator("#samples button").first.click()
            assert "asks for a token" in _problem(page)
            for token, state in (("wrong", "error"), ("right one", "answer")):
                page.locator("#token").fill(token)
                page.keyboard.press("Enter")
                if state == "error":
                    page.locator("#problem p", has_text="does not take this token").wait_for()
            page.locator("body[data-state=answer]").wait_for()
            assert not page.locator("#token").is_visible()
            kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
            assert kept == [0, 0, ""]
            assert all("right" not in url for url in page.asked)
            page.reload()
            page.evaluate("tsd.ready")
            assert page.locator("#token").is_visible()

    def test_the_client_half_cannot_be_loaded(self, open_page, serve, tmp_path):
        for name in ("client.json", "labels.txt"):
            shutil.copy(models.ACTIONS / name, tmp_path)
        content = b"no model"
        (tmp_path / "client.tflite").write_bytes(content)
        sidecar = json.loads((tmp_path / "client.json").read_text())
        variant = next(one for one in sidecar["variants"] if one["name"] == "float32")
        variant["sha256"] = hashlib.sha256(content).hexdigest()
        (tmp_path / "client.json").write_text(json.dumps(sidecar))
        with serve(export=tmp_path) as gateway:
            page = open_page(gateway, is_ready=False)
            assert "cannot run the client half" in _problem(page)
