"""Recognises the action in a video: distils it here, sends only the distilled frames, prints the server's answer.

    python -m tsd_tf.client video.mp4 --model=export/client.tflite --server=127.0.0.1:8500
    python -m tsd_tf.client folder_of_videos --json
    python -m tsd_tf.client folder_of_numbered_pictures --frame_folder_rate=12
    python -m tsd_tf.client --camera=0
    python -m tsd_tf.client --camera=rtsp://host/stream
    python -m tsd_tf.client video.mp4 --server=grpcs://host:8500 --ca=ca.pem --token_file=token --codec=av1

Needs a server: python -m tsd_tf.gateway, or, for pictures alone, python -m tsd_tf.serving or TensorFlow Serving. Goes
on where a server restarts, or a camera drops. The last line says how many clips were answered and lost.
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
    from tsd_tf.client.recognizer import Recognition, Recognizer
    from tsd_tf.video.distilled_clip import DistilledClip

FLAGS = flags.FLAGS
flags.DEFINE_string("model", "export/client.tflite", "the client half, with client.json and labels.txt beside it")
flags.DEFINE_string(
    "server",
    "127.0.0.1:8500",
    "host:port or unix:/path of gRPC, grpcs://host:port with TLS; http://host:port or https://host:port of REST",
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
flags.DEFINE_string(
    "save_clips",
    None,
    "NumPy .npz file to write the clips to, with P and the distilled frames of each; a folder if there are several "
    "videos",
)
flags.DEFINE_integer("num_threads", 2, "threads of LiteRT", lower_bound=1)
flags.DEFINE_float(
    "timeout", 30.0, "seconds that one request may take, to the last byte of its answer", lower_bound=0.001
)
flags.DEFINE_float(
    "retry_for",
    60.0,
    "seconds for which a server that is away or busy is asked again, and a camera that is lost is opened again",
    lower_bound=0,
)
flags.DEFINE_float(
    "stall_seconds", 10.0, "a camera or stream that delivers nothing for so long is lost", lower_bound=0.1
)


def _note(text: str) -> None:
    # In one piece, since several threads have something to say.
    sys.stderr.write(f"{command_line.one_line(command_line.in_flags(text))}\n")


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


def _paths(given: str, videos: list[pathlib.Path], suffix: str) -> dict[pathlib.Path, pathlib.Path]:
    """{video: its file}: in a folder, the files lie as the videos do, so that no two share a name."""
    path = pathlib.Path(given)
    if len(videos) == 1 and path.suffix:
        return {videos[0]: path}
    root = os.path.commonpath([video.parent.absolute() for video in videos])
    places = {video: pathlib.Path(os.path.relpath(video.absolute(), root)) for video in videos}
    stems = collections.Counter(place.with_suffix("") for place in places.values())
    return {
        video: path / (place.with_suffix(suffix) if stems[place.with_suffix("")] == 1 else f"{place}{suffix}")
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


def _watch(recognizer: "Recognizer", camera: int | str) -> None:
    from tsd_tf.client.lost_clip import LostClip
    from tsd_tf.client.stream_gap import StreamGap

    for event in recognizer.watch(camera):
        if isinstance(event, LostClip | StreamGap):
            if FLAGS.json:
                kind = "lost" if isinstance(event, LostClip) else "gap"
                print(json.dumps({kind: dataclasses.asdict(event)}), flush=True)
            elif isinstance(event, LostClip):  # of gaps it has been told when they began and ended
                _note(f"{event.source}: the clip at {event.start:.1f} s is lost: {event.reason}")
        else:
            _show(event)


def _recognize(recognizer: "Recognizer", videos: list[pathlib.Path], answered: list[pathlib.Path]) -> None:
    """Shows the answers for videos, and adds those that have one to `answered`."""
    from tsd_tf.client.errors import ServerAwayError, UnansweredError
    from tsd_tf.video import distilled_clip, pictures

    picture_paths = _paths(FLAGS.save_distilled, videos, ".png") if FLAGS.save_distilled else {}
    clips_paths = _paths(FLAGS.save_clips, videos, ".npz") if FLAGS.save_clips else {}
    for video in videos:
        clips: list[DistilledClip] = []
        try:
            _show(recognizer.recognize(video, clips.append if picture_paths or clips_paths else None))
        except ServerAwayError:
            raise
        except (UnreadableVideoError, UnansweredError) as error:
            # One bad file must not keep the others of a folder from their answers.
            where = "" if isinstance(error, UnreadableVideoError) else f"{video}: "
            _note(f"error: {where}{error}")
            continue
        answered.append(video)
        if picture_paths:
            rows = [clip.distilled_frames for clip in clips]
            pictures.write(picture_paths[video], pictures.rows_of_frames(rows))
        if clips_paths:
            distilled_clip.write(clips_paths[video], clips)


def _show_tally(recognizer: "Recognizer", num_videos: int, without: int) -> None:
    tally = recognizer.tally
    if FLAGS.json:
        counts = dataclasses.asdict(tally)
        print(json.dumps({"summary": {**counts, "videos": num_videos, "videos_without_answer": without}}), flush=True)
        return
    print(tally.in_words() + (f", {without} of {num_videos} videos without an answer" if without else ""), flush=True)


@command_line.program()
def start(argv: list[str]) -> int:
    """Recognises what the arguments and flags name; returns 1 if anything has no answer."""
    if (FLAGS.camera is None) == (len(argv) < 2):
        raise UserError("name a video, a folder of videos, or --camera=0: python -m tsd_tf.client video.mp4")
    if FLAGS.camera is not None and (FLAGS.save_distilled or FLAGS.save_clips):
        raise UserError("--save_distilled and --save_clips are for videos, which end: expected neither beside --camera")
    with command_line.interruptible():
        return _run(_videos(argv[1:]), _camera(FLAGS.camera) if FLAGS.camera is not None else None)


def _run(videos: list[pathlib.Path], camera: int | str | None) -> int:
    from tsd_tf.client.credentials import Credentials
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.client.grpc_connection import GrpcConnection
    from tsd_tf.client.recognizer import Recognizer
    from tsd_tf.client.rest_connection import RestConnection
    from tsd_tf.client.retries import Retries
    from tsd_tf.video.limits import keep_freed_memory

    keep_freed_memory()  # of one clip for the next
    credentials = Credentials.read(FLAGS.ca, FLAGS.cert, FLAGS.key, FLAGS.token_file)
    distiller = Distiller(FLAGS.model, FLAGS.num_threads)
    kind = RestConnection if FLAGS.server.startswith(("http://", "https://")) else GrpcConnection
    retries = Retries(FLAGS.retry_for)
    connection = kind(FLAGS.server, FLAGS.model_name, FLAGS.timeout, retries, credentials, _note)
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
        retry_for=FLAGS.retry_for,
        stall_seconds=FLAGS.stall_seconds,
    )
    answered: list[pathlib.Path] = []
    try:
        if camera is not None:
            _watch(recognizer, camera)
        else:
            _recognize(recognizer, videos, answered)
    finally:
        connection.close()
        recognizer.close()
        _show_tally(recognizer, len(videos), len(videos) - len(answered))
    return 1 if len(answered) < len(videos) or recognizer.tally.lost else 0


if __name__ == "__main__":
    start()
