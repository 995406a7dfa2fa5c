"""Measures the web page in a browser of this machine, and takes pictures of it.

    python -m benchmarks.web_page
    python -m benchmarks.web_page --parts=pictures --pictures_dir=docs/web

needs the built page (`make web`), Chromium and Playwright. The parts:

- distilling: LiteRT.js' milliseconds a clip, with and without threads, of the model that ships, and of Kinetics' preset
  (40 to 10 frames of 224 x 224, random weights). The two take turns.
- clips: what the page itself says of --num_clips clips of the sample videos one after the other: milliseconds, bytes,
  and memory at their beginning and end, once garbage is collected.
- pictures: the page's states as PNG files.

Some minutes on two cores; JSON.
"""

import contextlib
import hashlib
import pathlib
import statistics
import tempfile

from absl import flags

from benchmarks import browser, in_turn
from tsd_tf import models
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

FLAGS = flags.FLAGS
flags.DEFINE_string("model", str(models.ACTIONS), "an export with `videos` beside it")
flags.DEFINE_list("parts", ["distilling", "clips"], "what to do: distilling, clips, pictures")
flags.DEFINE_integer("num_clips", 200, "clips one after the other", lower_bound=20)
flags.DEFINE_integer("repetitions", 20, "measurements of each latency; the median counts", lower_bound=1)
flags.DEFINE_string("output", "web_page.json", "file to write")
flags.DEFINE_string("pictures_dir", "web_page", "folder for pictures")

_MINUTES = 60_000  # milliseconds in one
_WARM_UP = 10  # clips
_DISTILL = """async (length) => {
    const clip = Uint8Array.from({ length }, (_, index) => (index * 7919) >> 4);
    return (await tsd.distillFrames(clip)).milliseconds;
}"""
_RECOGNIZE = """async (url) => (await tsd.recognizeFile(url)).clips.map(({ bytes, milliseconds }) => ({
    ...milliseconds, ...bytes,
}))"""
_SAMPLES = (
    "fetch('page/settings.json').then((answer) => answer.json()).then(({ samples }) => samples.map(({ url }) => url))"
)


@contextlib.contextmanager
def _gateway(client_dir, cloud_dir=None, is_isolated=True):
    """The page of a client half, before a server of the cloud half if it is given; the page's address."""
    from tsd_tf.gateway.backend_address import BackendAddress
    from tsd_tf.gateway.background_gateway import BackgroundGateway
    from tsd_tf.gateway.page_site import PageSite
    from tsd_tf.serving.server import BackgroundServer

    samples = pathlib.Path(FLAGS.model) / models.VIDEOS_DIR
    with contextlib.ExitStack() as stack:
        address = "127.0.0.1:1"  # nobody's: what is distilled is not sent
        if cloud_dir is not None:
            server = stack.enter_context(BackgroundServer(cloud_dir))
            address = f"{server.address}:{server.url.rpartition(':')[2]}"
        site = PageSite(client_dir, samples, is_isolated=is_isolated)
        yield stack.enter_context(BackgroundGateway([BackendAddress.parse(address)], page=site)).url


def _open(running, url, **options):
    page = running.new_context(**options).new_page()
    page.set_default_timeout(_MINUTES)
    page.goto(f"{url}/")
    page.evaluate("tsd.ready")
    return page


def _kinetics_client(folder):
    """Writes a client half of Kinetics' preset with random weights."""
    from benchmarks import networks
    from tsd_tf.contract import signatures
    from tsd_tf.export import tflite
    from tsd_tf.export.level_quantization import quantize_levels
    from tsd_tf.export.saved_model import save_client

    config, network, labels = networks.load(None, "kinetics400")
    half = save_client(network, config.crop_size, folder / signatures.CLIENT_DIR)
    keys = [signatures.DISTILL, signatures.DISTILL_FEATURES, signatures.ENCODE_FRAME]
    contents = quantize_levels(tflite.convert(folder / signatures.CLIENT_DIR, keys, "float32"))
    name = signatures.tflite_file("float32")
    (folder / name).write_bytes(contents)
    digest = hashlib.sha256(contents).hexdigest()
    sidecar = signatures.ClientModel(
        version=1,
        method=config.method,
        num_frames=config.num_frames,
        num_distilled_frames=config.num_distilled_frames,
        frame_size=config.crop_size,
        short_side=config.short_side,
        frames_per_second=config.frame_rate,
        num_classes=config.num_classes,
        feature_shape=half.feature_shape,
        signatures=keys,
        variants=(signatures.Variant("float32", name, len(contents), digest, *[0.0] * 6),),
    )
    (folder / signatures.SIDECAR_FILE).write_text(sidecar.to_json())
    (folder / signatures.LABELS_FILE).write_text("".join(f"{label}\n" for label in labels))


def distilling(running, client_dir):
    """Milliseconds a clip with and without threads."""
    from tsd_tf.client.exported_client import ExportedClient

    model = ExportedClient.read(pathlib.Path(client_dir) / "client.tflite").model
    length = model.num_frames * model.frame_size**2 * 3
    with contextlib.ExitStack() as stack:
        ways, threads = {}, {}
        for name, is_isolated in (("threads", True), ("one_thread", False)):
            page = _open(running, stack.enter_context(_gateway(client_dir, is_isolated=is_isolated)))
            stack.callback(page.context.close)
            threads[name] = page.evaluate("tsd.runtime()")["threads"]
            ways[name] = lambda page=page: page.evaluate(_DISTILL, length)
        times = in_turn.measure(ways, FLAGS.repetitions, warm_up=3)
    return {
        "num_frames": model.num_frames,
        "num_distilled_frames": model.num_distilled_frames,
        "frame_size": model.frame_size,
        **{
            name: {"threads": threads[name], "median_ms": statistics.median(values), "best_ms": min(values)}
            for name, values in times.items()
        },
    }


def clips(running, model):
    """What the page says of many clips, and its memory."""
    with _gateway(model, model / "cloud") as url:
        page = _open(running, url)
        tools = page.context.new_cdp_session(page)

        def memory():
            tools.send("HeapProfiler.collectGarbage")
            return {name: round(value / 1e6, 2) for name, value in page.evaluate("tsd.memory()").items()}

        samples, seen, looks = page.evaluate(_SAMPLES), [], []
        while len(seen) < FLAGS.num_clips:
            seen += page.evaluate(_RECOGNIZE, samples[len(looks) % len(samples)])
            looks.append((len(seen), memory()))
        page.context.close()
    medians = {name: statistics.median(clip[name] for clip in seen[_WARM_UP:]) for name in seen[0]}
    begin = next(look for count, look in looks if count >= _WARM_UP)
    return {"num_clips": len(seen), "medians": medians, "megabytes": {"begin": begin, "end": looks[-1][1]}}


def pictures(model, folder):
    """Takes pictures of the page's states."""
    folder.mkdir(parents=True, exist_ok=True)
    wide, phone = {"viewport": {"width": 1100, "height": 800}}, {"viewport": {"width": 390, "height": 844}}
    still = {"reduced_motion": "reduce"}  # the video, too
    camera = ["--use-fake-device-for-media-stream"]
    with _gateway(model, model / "cloud") as url, browser.launch(camera) as running:
        for scheme, size in (("light", wide), ("dark", phone)):
            page = _open(running, url, color_scheme=scheme, permissions=["camera"], **size, **still)

            def take(name, page=page, scheme=scheme):
                page.screenshot(path=folder / f"{name}_{scheme}.png", full_page=True)

            take("start")
            page.locator("#samples button").first.click()
            page.locator("body[data-state=answer]").wait_for()
            take("answer")
            page.locator("#file").set_input_files({"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"no video"})
            page.locator("body[data-state=error]").wait_for()
            take("error")
            page.locator("#camera").click()
            page.locator("#answer:not(:empty)").wait_for()
            take("camera")
            page.context.close()


def main(argv):
    """Writes what --parts names."""
    command_line.no_arguments(argv)
    model = pathlib.Path(FLAGS.model)
    found = {"machine": machine.describe(), "versions": machine.versions("playwright")}
    if "pictures" in FLAGS.parts:
        pictures(model, pathlib.Path(FLAGS.pictures_dir))
    with browser.launch() as running, tempfile.TemporaryDirectory() as folder:
        found["browser"] = running.version
        if "distilling" in FLAGS.parts:
            _kinetics_client(pathlib.Path(folder))
            found["distilling"] = [distilling(running, model), distilling(running, folder)]
        if "clips" in FLAGS.parts:
            found["clips"] = clips(running, model)
    if set(FLAGS.parts) & {"distilling", "clips"}:
        in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main, extra="all")
