"""The whole path in one command: videos -> shards -> training -> evaluation -> export -> server -> client -> answer.

    make demo

writes a small procedural action data set as video files. Then it runs the programs that a user runs on Kinetics on it,
at small size (--preset=sample), and ends with a summary. It takes about six minutes on two cores. Everything is in
demo/. If it is interrupted, the same command goes on where it was; `rm -r demo` starts it over. It fails with exit code
1 if distilled frames are not recognised far above chance, or if the served answer is not the in-process one.
"""

import csv
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time

from absl import flags

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "demo", "folder for everything that the demo makes")
flags.DEFINE_integer("num_train", 1500, "training videos", lower_bound=12)
flags.DEFINE_integer("num_test", 300, "test videos", lower_bound=6)
flags.DEFINE_integer("max_steps", None, "cut every training stage short to try the path out; accuracy is not checked")

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_STEPS = 12
_NUM_CLIPS = 10
_CODECS = ("h264:24", "h264:36", "h264:42", "h264:46", "h264:51", "jpeg:90")  # the last two of H.264 are too coarse
# The cloud half gets frames rounded to uint8; the network in this process gets float32 frames.
_PROBABILITY_TOLERANCE = 0.005
# The accuracy that distilled frames must reach. With 300 videos and six classes, 2.5 times chance is more than eleven
# standard errors above chance.
_TIMES_CHANCE = 2.5


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where everything is."""

    videos: pathlib.Path
    shards: pathlib.Path
    runs: pathlib.Path
    export: pathlib.Path
    picture: pathlib.Path
    summary: pathlib.Path


def main(argv):
    """Runs the demo."""
    command_line.no_arguments(argv)
    began = time.monotonic()
    output = pathlib.Path(FLAGS.output_dir).resolve()
    paths = Paths(*(output / name for name in ("videos", "shards", "runs", "export", "distilled.png", "summary.json")))
    steps = _Steps()
    _build_data(steps, paths)
    results = {method: _train_and_evaluate(steps, paths, method) for method in ("tsd", "i3d_e")}
    workdir = results["tsd"]["workdir"]
    if not (paths.export / "client.json").exists():
        steps.run("Export both halves", "-m", "tsd_tf.export", f"--workdir={workdir}", f"--output_dir={paths.export}")
    travelled = _test_exported(steps, paths, results)
    video, label = _test_video(paths.videos)
    steps.announce("Serve the cloud half behind the gateway, and ask with the client half")
    served = _serve_and_ask(paths, video)
    steps.announce("Ask the network in this process, for comparison")
    in_process = _in_process_probabilities(workdir, video)
    difference = max(abs(one - other) for one, other in zip(served["raw"]["probabilities"], in_process, strict=True))
    summary = {
        "chance": 1 / len(in_process),
        "accuracy_distilled": results["tsd"]["top1"],
        "accuracy_uniform": results["i3d_e"]["top1"],
        "standard_error_distilled": results["tsd"]["top1_standard_error"],
        "standard_error_uniform": results["i3d_e"]["top1_standard_error"],
        "clips": _NUM_CLIPS,
        "test_videos": results["tsd"]["videos"],
        "video": str(video),
        "label": label,
        "predicted": served["h264"]["label"],
        "score": served["h264"]["score"],
        "bytes": served["h264"]["bytes"],
        "bytes_as_jpeg": served["jpeg"]["bytes"]["distilled"],
        **{name: travelled[name] for name in ("codings", "bytes_at_equal_accuracy")},
        "served_minus_in_process": difference,
        "tolerance": _PROBABILITY_TOLERANCE,
        "minutes": (time.monotonic() - began) / 60,
    }
    files.write_json(paths.summary, summary)
    _print_summary(summary, paths, results)
    _check(summary)


class _Steps:
    """Announces and runs the demo's steps."""

    def __init__(self):
        self.count = 0
        self.began = time.monotonic()

    def announce(self, title, command=()):
        self.count += 1
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"\n[{self.count}/{_STEPS}, {minutes}:{seconds:02d}] {title}", flush=True)
        if command:
            print("    python " + " ".join(command), flush=True)

    def run(self, title, *command):
        self.announce(title, command)
        if code := subprocess.run([sys.executable, *command], cwd=_ROOT).returncode:
            raise UserError(f"a command of the demo ended with exit code {code}: python {' '.join(command)}")


def _build_data(steps, paths):
    if not paths.videos.exists():
        steps.run(
            "Write the sample data set as video files",
            "-m",
            "tfrecords.build_sample",
            f"--output_dir={paths.videos}",
            f"--num_train={FLAGS.num_train}",
            f"--num_test={FLAGS.num_test}",
        )
    for split in ("train", "trimmed", "test"):
        steps.run(
            f"Turn the {split} videos into TFRecord shards",
            "-m",
            "tfrecords.build_kinetics",
            f"--csv={paths.videos / split}.csv",
            f"--videos_dir={paths.videos / split}",
            f"--labels={paths.videos / 'labels.txt'}",
            f"--split={split}",
            f"--output_dir={paths.shards}",
            "--num_shards=4",
            "--short_side=64",
        )


def _train_and_evaluate(steps, paths, method):
    """Trains and evaluates a method; returns the evaluation's JSON."""
    titles = {"tsd": "I3D, then I3D+TSD in its two stages", "i3d_e": "I3D_E: uniformly sampled frames, for comparison"}
    names = {"tsd": "distilled frames", "i3d_e": "uniformly sampled frames"}
    workdir = paths.runs / f"sample/{method}_T20_Ts5"
    arguments = ["--preset=sample", f"--method={method}", f"--data_dir={paths.shards}", f"--runs_dir={paths.runs}"]
    if FLAGS.max_steps:
        arguments.append(f"--max_steps={FLAGS.max_steps}")
    steps.run(f"Train {titles[method]}", "train_kinetics.py", *arguments)
    steps.run(f"Evaluate {names[method]}", "evaluate.py", f"--workdir={workdir}", f"--clips={_NUM_CLIPS}")
    result = json.loads((workdir / f"evaluation_test_T20_Ts5_clips{_NUM_CLIPS}.json").read_text())
    return {**result, "workdir": workdir}


def _test_exported(steps, paths, results):
    """Tests the exported halves with frames as H.264 and as JPEG, beside whole clips; returns the evaluation's JSON."""
    arguments = [f"--export_dir={paths.export}", f"--workdir={results['tsd']['workdir']}", "--whole_clip"]
    arguments += [f"--uniform_workdir={results['i3d_e']['workdir']}", f"--codecs={','.join(_CODECS)}", "--clips=1"]
    steps.run("Count the bytes that travel, and test what arrives", "evaluate.py", *arguments)
    first = _CODECS[0].replace(":", "_")
    return json.loads((paths.export / f"evaluation_float32_{first}_test_T20_Ts5_clips1.json").read_text())


def _test_video(videos):
    """The first test video of the list, and its class."""
    with (videos / "test.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    (path,) = (videos / "test" / row["label"]).glob(f"{row['youtube_id']}_*.mp4")
    return path, row["label"]


def _serve_and_ask(paths, video):
    """Serves the cloud half; returns what the client prints with frames sent unchanged, as H.264 and as JPEG."""
    command = [
        sys.executable,
        "-m",
        "tsd_tf.gateway",
        f"--model_dir={paths.export / 'cloud'}",
        "--port=0",
        "--rest_port=0",
        "--admin_port=0",
    ]
    server = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        ready = server.stdout.readline()
        found = re.search(r"gRPC (\S+:\d+)", ready)
        if not found:
            raise UserError(f"the server did not start: expected its ready line, got {ready!r}")
        print(f"    {ready.strip()}", flush=True)
        return {codec: _ask(paths, video, found[1].rstrip(","), codec) for codec in ("raw", "h264", "jpeg")}
    finally:
        server.terminate()
        server.wait(timeout=60)


def _ask(paths, video, server, codec):
    command = [
        "-m",
        "tsd_tf.client",
        str(video),
        f"--model={paths.export / 'client.tflite'}",
        f"--server={server}",
        f"--codec={codec}",
        f"--save_distilled={paths.picture}",
        "--json",
    ]
    print("    python " + " ".join(command), flush=True)
    done = subprocess.run([sys.executable, *command], cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"the client ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def _in_process_probabilities(workdir, video):
    """The trained Keras network's answer to the frames that the client captures, averaged over its clips."""
    import numpy as np
    from keras import ops

    from tsd_tf.client import clips
    from tsd_tf.data.preprocessing import to_network_input
    from tsd_tf.video import geometry
    from tsd_tf.video.video import Video
    from tsd_tf.work_directory import WorkDirectory

    run = WorkDirectory(workdir)
    config, network = run.config(), run.load_network()
    pictures = Video(video, square_pixels=config.square_pixels).frames(
        frame_rate=config.frame_rate, short_side=config.short_side
    )
    frames = (geometry.centre(picture, config.crop_size) for picture in pictures)
    batch = np.stack([clip for _, clip in clips.sliding(frames, config.num_frames, config.num_frames)])
    return np.asarray(ops.softmax(network(to_network_input(batch)))).mean(axis=0).tolist()


def _print_summary(summary, paths, results):
    sizes = summary["bytes"]
    travelled = "\n".join(
        f"    {coding['what'].replace('_', ' '):10} as {coding['codec']:4} of quality {coding['quality']}  "
        f"{coding['bytes_per_clip']:7,.0f} bytes  {coding['top1']:6.1%}  +- {coding['top1_standard_error']:.1%}"
        for coding in summary["codings"]
        if coding["what"] in ("distilled", "whole_clip") and coding["quality"]
    )
    (equal,) = (found for found in summary["bytes_at_equal_accuracy"] if found["codec"] == "h264")
    travelled += f"\n    as h264 at equal accuracy, {equal['top1']:.1%}: " + (
        equal["note"] or f"distilled {equal['distilled']:.0f} bytes, whole clip {equal['whole_clip']:.0f} bytes"
    )
    print(
        f"""
Summary
  accuracy on {summary["test_videos"]} held-out videos, {summary["clips"]} clips each, 5 of 20 frames sent
    distilled frames (I3D+TSD)        {summary["accuracy_distilled"]:6.1%}  +- {summary["standard_error_distilled"]:.1%}
    uniformly sampled frames (I3D_E)  {summary["accuracy_uniform"]:6.1%}  +- {summary["standard_error_uniform"]:.1%}
    chance                            {summary["chance"]:6.1%}
  what travels for a clip, and the accuracy with one clip a video; whole clips are distilled behind the decoder
{travelled}
  one video through client and server
    {summary["video"]}
    is "{summary["label"]}"; the answer is "{summary["predicted"]}" ({summary["score"]:.1%})
    the served probabilities differ from the in-process ones by {summary["served_minus_in_process"]:.1e}
      (tolerance {summary["tolerance"]}; frames sent without loss)
    bytes sent: {sizes["distilled"]:,} for distilled frames as H.264, {summary["bytes_as_jpeg"]:,} as JPEG
      (the video file: {sizes["video"]:,})
  files
    videos and their lists    {paths.videos}
    TFRecord shards           {paths.shards}
    runs                      {results["tsd"]["workdir"]}
                              {results["i3d_e"]["workdir"]}
    cloud half (SavedModel)   {paths.export / "cloud"}
    client half (TFLite)      {paths.export / "client.tflite"}
    its distilled frames      {paths.picture}
    this summary as JSON      {paths.summary}
  {summary["minutes"]:.1f} minutes""",
        flush=True,
    )


def _check(summary):
    if summary["served_minus_in_process"] > _PROBABILITY_TOLERANCE:
        raise UserError(
            f"expected served probabilities within {_PROBABILITY_TOLERANCE} of the in-process ones, "
            f"got a difference of {summary['served_minus_in_process']:.3g}"
        )
    if FLAGS.max_steps is None and summary["accuracy_distilled"] < _TIMES_CHANCE * summary["chance"]:
        raise UserError(
            f"expected an accuracy with distilled frames of at least {_TIMES_CHANCE} times chance, "
            f"{_TIMES_CHANCE * summary['chance']:.1%}, got {summary['accuracy_distilled']:.1%}"
        )


if __name__ == "__main__":
    command_line.run(main)
