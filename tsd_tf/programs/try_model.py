"""Recognises a few videos with the trained model that ships: client and gateway on this machine, nothing to train.

    python -m tsd_tf.programs.try_model
    python -m tsd_tf.programs.try_model --fresh=8
    python -m tsd_tf.programs.try_model video.mp4
    python -m tsd_tf.programs.try_model --serve
    python -m tsd_tf.programs.try_model --page

takes some ten seconds. It prints the answers and writes tsd_try.html, one page with what the client saw, what it made
of it, and what was answered. The videos are those beside the model, new ones of --fresh, or one's own, which show one
of the model's actions, or are answered wrongly. With --serve the gateway then goes on, until Ctrl-C or SIGTERM.

With --page the browser is the client, and videos and camera are chosen there: it prints the page's address, and serves
it until Ctrl-C or SIGTERM.
"""

import contextlib
import json
import logging
import os
import pathlib
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from tsd_tf import models
from tsd_tf.contract import files, signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

if TYPE_CHECKING:
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.gateway.background_gateway import BackgroundGateway
    from tsd_tf.gateway.page_site import PageSite
    from tsd_tf.reporting.shown_video import ShownVideo

FLAGS = flags.FLAGS
flags.DEFINE_string("model", str(models.ACTIONS), "an export with `videos` beside it (default: the model that ships)")
flags.DEFINE_string("output", "tsd_try.html", "page to write")
flags.DEFINE_integer("fresh", None, "recognise as many newly rendered videos; needs the extra `sample`", lower_bound=1)
flags.DEFINE_integer("seed", None, "with --fresh: seed of everything in them (default: another one each time)", 0)
flags.DEFINE_bool("serve", False, "keep the gateway running afterwards")
flags.DEFINE_bool("page", False, "serve the client as a web page, and recognise nothing beforehand")
flags.DEFINE_integer("port", 8500, "with --serve and --page: port of gRPC; 0 picks a free one", 0, 65535)
flags.DEFINE_integer("rest_port", 8501, "with --serve and --page: port of HTTP; 0 picks a free one", 0, 65535)


class _Video(NamedTuple):
    """What is to be recognised, and the truth where it is known."""

    path: pathlib.Path
    label: str | None = None
    event: range | None = None


@command_line.program(extra="gateway,serve")
def start(argv: list[str]) -> None:
    """Recognises the videos that the arguments and flags name."""
    if argv[1:] and FLAGS.fresh:
        raise UserError(f"expected videos or --fresh, received --fresh={FLAGS.fresh} and {' '.join(argv[1:])}")
    if FLAGS.seed is not None and not FLAGS.fresh:
        raise UserError("--seed is for use with --fresh")
    if FLAGS.page and (argv[1:] or FLAGS.fresh):
        raise UserError("--page takes no videos: they are chosen in the page")
    logging.getLogger("tsd_tf").setLevel(logging.WARNING)  # what the server logs is for those who run one
    model = pathlib.Path(FLAGS.model)
    if FLAGS.page:
        _serve_page(model)
    else:
        _recognise_all(argv[1:], model)


def _serve_page(model: pathlib.Path) -> None:
    """Serves the page until Ctrl-C or SIGTERM."""
    from tsd_tf.gateway.page_site import PageSite

    samples = model / models.VIDEOS_DIR
    page = PageSite(model, samples if samples.is_dir() else None)
    with _gateway(model / signatures.CLOUD_DIR, page) as gateway:
        stop = _stop_event()
        print(f"The client as a web page, on this machine alone, until Ctrl-C:\n    {gateway.url}/", flush=True)
        stop.wait()


def _recognise_all(named: Sequence[str], model: pathlib.Path) -> None:
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.gateway import page_site
    from tsd_tf.reporting import recognition_page

    distiller = Distiller(model / signatures.tflite_file("float32"))
    with _videos(named, distiller) as videos, _gateway(model / signatures.CLOUD_DIR) as gateway:
        names = ", ".join(distiller.labels)
        print(f"The model knows {len(distiller.labels)} classes: {names}.")
        print(f"Its cloud half answers at {gateway.address} (gRPC) and {gateway.url} (REST), on this machine alone.\n")
        shown = _recognise(videos, distiller, gateway)
        page = recognition_page.page("Actions recognised from a few distilled frames", _of_card(model), shown)
        files.write(FLAGS.output, page)
        known = [video.is_right for video in shown if video.is_right is not None]
        counted = f"{sum(known)} of {len(known)} right. " if known else ""
        print(f"\n{counted}What the client saw, made and sent: {pathlib.Path(FLAGS.output).resolve().as_uri()}")
        if FLAGS.serve:
            _wait(model, gateway)
        else:
            chosen = [] if FLAGS["model"].using_default_value else [f"--model={model}"]
            command = shlex.join(["python", "-m", "tsd_tf.programs.try_model", *chosen, "--page"])
            built = "" if page_site.is_built() else "make web && "
            print(f"In a browser, with its camera or a video of your own:\n    {built}{command}")


@contextlib.contextmanager
def _videos(named: Sequence[str], distiller: "Distiller") -> Iterator[list[_Video]]:
    """The videos to recognise."""
    if named:
        yield [_Video(pathlib.Path(name)) for name in named]
    elif FLAGS.fresh:
        with tempfile.TemporaryDirectory() as folder:
            _render(pathlib.Path(folder), distiller)
            yield _listed(pathlib.Path(folder))
    else:
        yield _listed(pathlib.Path(FLAGS.model) / models.VIDEOS_DIR)


def _listed(folder: pathlib.Path) -> list[_Video]:
    from tsd_tf.building import listed_video

    return [_Video(video.path, video.label, video.event) for video in listed_video.read(folder, "test")]


def _render(folder: pathlib.Path, distiller: "Distiller") -> None:
    try:
        from tsd_tf.building import sample_videos
        from tsd_tf.building.action_videos import ActionVideos
    except ModuleNotFoundError as error:
        raise UserError(f"--fresh needs {error.name}, which is not installed: pip install 'tsd_tf[sample]'") from error
    seed = FLAGS.seed if FLAGS.seed is not None else int.from_bytes(os.urandom(4), "little")
    print(f"Rendering {FLAGS.fresh} videos (--seed={seed} renders the same ones again)")
    scene = ActionVideos(size=distiller.model.frame_size, num_classes=len(distiller.labels))
    if scene.class_names != distiller.labels:
        raise UserError(
            f"--fresh renders {', '.join(scene.class_names)}; the model knows {', '.join(distiller.labels)}"
        )
    sample_videos.write(folder, {"test": FLAGS.fresh}, scene=scene, seed=seed, processes=os.cpu_count() or 1)


@contextlib.contextmanager
def _gateway(model_dir: pathlib.Path, page: "PageSite | None" = None) -> Iterator["BackgroundGateway"]:
    """A running gateway, before a server of this process."""
    from tsd_tf.gateway.backend_address import BackendAddress
    from tsd_tf.gateway.background_gateway import BackgroundGateway
    from tsd_tf.serving.server import BackgroundServer

    ports = {"port": FLAGS.port, "rest_port": FLAGS.rest_port} if FLAGS.serve or page else {}
    with BackgroundServer(model_dir) as server:
        backend = BackendAddress.parse(f"{server.address}:{server.url.rpartition(':')[2]}")
        with BackgroundGateway([backend], page=page, **ports) as gateway:
            yield gateway


def _recognise(videos: Sequence[_Video], distiller: "Distiller", gateway: "BackgroundGateway") -> list["ShownVideo"]:
    """Asks about each video, and prints the answers as they come."""
    from tsd_tf.client.grpc_connection import GrpcConnection
    from tsd_tf.client.recognizer import Recognizer
    from tsd_tf.reporting.shown_video import ShownVideo
    from tsd_tf.video.distilled_clip import DistilledClip

    connection = GrpcConnection(gateway.address)
    recognizer = Recognizer(distiller, connection, stride=models.overlapping(distiller.model.num_frames))
    shown = []
    try:
        for video in videos:
            clips: list[DistilledClip] = []
            answer = recognizer.recognize(video.path, clips.append)
            sent = f"{answer.bytes['distilled']:,} bytes were sent, the video file has {answer.bytes['video']:,}"
            shown.append(
                ShownVideo(
                    name=video.path.name,
                    answer=answer.label,
                    score=answer.score,
                    clips=clips,
                    truth=video.label,
                    event=video.event,
                    note=f"{sent}.",
                )
            )
            print(f"{shown[-1].in_words}; {sent}", flush=True)
    finally:
        recognizer.close()
        connection.close()
    return shown


def _of_card(model: pathlib.Path) -> list[tuple[str, str]]:
    """What the model's card says of its accuracy, if it has one, for the head of the page."""
    path = model / models.FACTS_FILE
    if not path.is_file():
        return []
    facts = json.loads(path.read_text())
    tested = max(facts["accuracy"], key=lambda one: (one["clips"], one["codec"] == "h264"))
    words = (
        f"of {facts['num_test']} newly rendered videos are recognised with {tested['clips']} clips each, says its card"
    )
    return [(f"{tested['top1']:.1%}", words)]


def _wait(model: pathlib.Path, gateway: "BackgroundGateway") -> None:
    """Until Ctrl-C or SIGTERM."""
    stop = _stop_event()
    client = f"python -m tsd_tf.client VIDEO --model={model / signatures.tflite_file('float32')}"
    print(
        f"The gateway goes on until Ctrl-C. From another terminal:\n    {client} --server={gateway.address}", flush=True
    )
    stop.wait()


def _stop_event() -> threading.Event:
    """Is set by Ctrl-C and SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    start()
