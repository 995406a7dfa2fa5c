"""Recognises the action in a video: distils it here, sends only the distilled frames, prints the server's answer.

    python -m tsd_tf.client video.mp4 --model=export/client.tflite --server=127.0.0.1:8500
    python -m tsd_tf.client folder_of_videos --json
    python -m tsd_tf.client folder_of_numbered_pictures --frame_folder_rate=12
    python -m tsd_tf.client --camera=0
    python -m tsd_tf.client --camera=rtsp://host/stream
    python -m tsd_tf.client video.mp4 --server=grpcs://host:8500 --ca=ca.pem --token_file=token --codec=av1

Needs a server: python -m tsd_tf.gateway, or, for pictures alone, python -m tsd_tf.serving or TensorFlow Serving.
Imports neither TensorFlow nor Keras.
"""

import collections
import dataclasses
import json
import os
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.programs import command_line, video_flags
from tsd_tf.video import VIDEO_SUFFIXES, finding

if TYPE_CHECKING:
    import numpy as np

    from tsd_tf.client.recognizer import Recognition

FLAGS = flags.FLAGS
flags.DEFINE_string("model", "export/client.tflite", "the client half, with client.json and labels.txt beside it")
flags.DEFINE_string(
    "server",
    "127.0.0.1:8500",
    "host:port or grpc://host:port of gRPC, grpcs://host:port with TLS; http://host:port or https://host:port of REST",
)
flags.DEFINE_string("ca", None, "PEM file of the authorities whose certificates are believed (default: the system's)")
flags.DEFINE_string("cert", None, "PEM file of the client's own certificate, for servers that ask for one")
flags.DEFINE_string("key", None, "PEM file of its key")
flags.DEFINE_string("token_file", None, "file whose first line is the token that the server wants")
flags.DEFINE_string("model_name", MODEL_NAME, "the model's name on the server")
flags.DEFINE_enum(
    "codec",
    None,
    ["h264", "hevc", "av1", "vp9", "webp", "jpeg", "png", "raw"],
    "how distilled frames travel (default: h264, or jpeg where the server has no gateway before it)",
)
flags.DEFINE_integer(
    "quality",
    None,
    "of jpeg and webp, 1 to 100 (best); of h264 and hevc, 0 (best) to 51, of av1 and vp9 to 63 (default: the codec's)",
    lower_bound=0,
)
flags.DEFINE_string("preset", None, "speed of a video codec, as its encoder calls it (default: the codec's)")
flags.DEFINE_string("encoder", None, "FFmpeg's name of another encoder of the codec, as h264_v4l2m2m of a hardware")
flags.DEFINE_integer("stride", None, "frames between the starts of two clips (default: T)", lower_bound=1)
flags.DEFINE_string("camera", None, "number of a camera, or URL of a stream, to watch instead of a video")
flags.DEFINE_bool("json", False, "print one JSON object per line instead of text")
flags.DEFINE_string(
    "save_distilled",
    None,
    "picture to write the distilled frames to, one row per clip; a folder if there are several videos",
)
flags.DEFINE_integer("num_threads", 2, "threads of LiteRT", lower_bound=1)
flags.DEFINE_float("timeout", 30.0, "seconds that one request may take", lower_bound=0.001)
flags.DEFINE_integer("attempts", 4, "how often to ask a server that is unavailable", lower_bound=1)


def _note(text: str) -> None:
    print(command_line.in_flags(" ".join(text.split())), file=sys.stderr)


def _videos(arguments: list[str]) -> list[pathlib.Path]:
    videos = []
    for argument in map(pathlib.Path, arguments):
        if not argument.is_dir():
            videos.append(argument)
            continue
        rate = video_flags.FRAME_FOLDER_RATE.value
        found = finding.find_known(argument, rate, _note)
        if not found:
            raise UserError(f"no video in {argument}: looked for *{', *'.join(VIDEO_SUFFIXES)} and numbered pictures")
        videos += [argument / path for path in found]
    return videos


def _camera(text: str) -> int | str:
    if text.isdecimal():
        return int(text)
    if "://" not in text:
        raise UserError(f"--camera must be a number or the URL of a stream. Received: --camera={text}")
    return text


def _picture_paths(videos: list[pathlib.Path]) -> dict[pathlib.Path, pathlib.Path]:
    """{video: its picture}: in a folder, the pictures lie as the videos do, so that no two share a name."""
    path = pathlib.Path(FLAGS.save_distilled)
    if len(videos) == 1 and path.suffix:
        return {videos[0]: path}
    root = os.path.commonpath([video.parent.absolute() for video in videos])
    places = {video: pathlib.Path(os.path.relpath(video.absolute(), root)) for video in videos}
    stems = collections.Counter(place.with_suffix("") for place in places.values())
    return {
        video: path / (place.with_suffix(".png") if stems[place.with_suffix("")] == 1 else f"{place}.png")
        for video, place in places.items()
    }


def _text(result: "Recognition") -> str:
    sizes = {name: f"{size / 1e3:.1f} kB" for name, size in result.bytes.items()}
    seconds = result.seconds
    lines = [
        f"{result.source}: {result.label} ({result.score:.1%})",
        "  then "
        + ", ".join(f"{name} ({score:.1%})" for name, score in zip(result.classes[1:], result.scores[1:], strict=True)),
        f"  clips {result.clips}; seconds: "
        + ", ".join(f"{name} {seconds[name]:.3f}" for name in ("capture", "distill", "encode", "send", "total")),
        f"  sent {sizes['distilled']} of distilled frames ({result.codec})",
    ]
    if "video" in sizes:
        lines[-1] += f"; all frames as JPEG {sizes['frames']}, the video file {sizes['video']}"
    if result.shortfall:
        lines.append(f"  {result.shortfall}")
    return "\n".join(line for line in lines if line != "  then ")


def _show(result: "Recognition") -> None:
    print(json.dumps(dataclasses.asdict(result)) if FLAGS.json else _text(result), flush=True)


@command_line.program()
def start(argv: list[str]) -> int:
    """Recognises what the arguments and flags name; returns 1 if a video was unreadable."""
    if (FLAGS.camera is None) == (len(argv) < 2):
        raise UserError("name a video, a folder of videos, or --camera=0: python -m tsd_tf.client video.mp4")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it tells of its handshakes on stderr
    from tsd_tf.client.credentials import Credentials
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.client.grpc_connection import GrpcConnection
    from tsd_tf.client.recognizer import Recognizer
    from tsd_tf.client.rest_connection import RestConnection
    from tsd_tf.client.retries import Retries
    from tsd_tf.video import pictures

    videos = _videos(argv[1:])
    camera = _camera(FLAGS.camera) if FLAGS.camera is not None else None
    credentials = Credentials.read(FLAGS.ca, FLAGS.cert, FLAGS.key, FLAGS.token_file)
    distiller = Distiller(FLAGS.model, FLAGS.num_threads)
    kind = RestConnection if FLAGS.server.startswith(("http://", "https://")) else GrpcConnection
    connection = kind(FLAGS.server, FLAGS.model_name, FLAGS.timeout, Retries(FLAGS.attempts), credentials)
    recognizer = Recognizer(
        distiller,
        connection,
        FLAGS.codec,
        FLAGS.quality,
        FLAGS.stride,
        frame_folder_rate=video_flags.FRAME_FOLDER_RATE.value,
        preset=FLAGS.preset,
        encoder=FLAGS.encoder,
        note=_note,
    )
    try:
        if camera is not None:
            for result in recognizer.watch(camera):
                _show(result)
            return 0
        unreadable = 0
        picture_paths = _picture_paths(videos) if FLAGS.save_distilled else {}
        for video in videos:
            distilled: list[np.ndarray] = []
            try:
                _show(recognizer.recognize(video, distilled.append if FLAGS.save_distilled else None))
            except UnreadableVideoError as error:
                # One bad file must not keep the others of a folder from their answers.
                unreadable += 1
                print(f"error: {error}", file=sys.stderr)
                continue
            if FLAGS.save_distilled:
                pictures.write(picture_paths[video], pictures.rows_of_frames(distilled))
        return 1 if unreadable else 0
    finally:
        recognizer.close()
        connection.close()


if __name__ == "__main__":
    start()
