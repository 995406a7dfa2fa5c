"""The whole path in one command: videos -> shards -> training -> evaluation -> export -> gateway -> client -> answers.

    make demo

renders videos of a person's actions. Then it runs the programs that a user runs on Kinetics on them, at small size
(--config=examples/demo.json), and ends with a summary and a page of pictures, demo/demo.html. It takes ten to fifteen
minutes on two cores. Everything is in demo/. If it is interrupted, the same command goes on where it was; `rm -r demo`
starts it over. It fails with exit code 1 if distilled frames are not recognised far above chance, or if the served
answer is not the in-process one.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from examples import sample_data, steps
from tsd_tf import config
from tsd_tf.building import listed_video
from tsd_tf.building.listed_video import ListedVideo
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.gateway import page_site
from tsd_tf.programs import command_line
from tsd_tf.reporting import recognition_page
from tsd_tf.reporting.shown_video import ShownVideo
from tsd_tf.video import distilled_clip

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "demo", "folder for everything that the demo makes")
flags.DEFINE_integer("num_classes", 6, "actions", lower_bound=2, upper_bound=12)
flags.DEFINE_integer("num_train", 1200, "training videos", lower_bound=12)
flags.DEFINE_integer("num_test", 300, "test videos", lower_bound=6)
flags.DEFINE_integer("num_shown", 8, "test videos, the first of the list, that are sent to the gateway", lower_bound=1)
flags.DEFINE_integer("max_steps", None, "cut every training stage short to try the path out; accuracy is not checked")

_NUM_CLIPS = 10
_RECIPE = "examples/demo.json"
_CODECS = ("h264:24", "h264:16", "h264:36", "h264:42", "h264:51", "jpeg:90")  # one finer than is needed, two too coarse
# The cloud half gets frames rounded to uint8; the network in this process gets float32 frames.
_PROBABILITY_TOLERANCE = 0.005
# The accuracy that distilled frames must reach. With 300 videos and six classes, 2.5 times chance is more than eleven
# standard errors above chance.
_TIMES_CHANCE = 2.5
_NAMES = {"tsd": "distilled frames", "i3d_e": "uniformly sampled frames"}


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where everything is."""

    videos: pathlib.Path
    shards: pathlib.Path
    runs: pathlib.Path
    export: pathlib.Path
    clips: pathlib.Path
    page: pathlib.Path
    summary: pathlib.Path


def main(argv: list[str]) -> None:
    """Runs the demo."""
    command_line.no_arguments(argv)
    output = steps.enter(FLAGS.output_dir)
    names = ("videos", "shards", "runs", "export", "clips", "demo.html", "summary.json")
    paths = Paths(*(output / name for name in names))
    todo = steps.Steps(sample_data.NUM_STEPS + 8)
    counts = [f"--{name}={FLAGS[name].value}" for name in ("num_classes", "num_train", "num_test")]
    sample_data.build(todo, paths.videos, paths.shards, *counts)
    results = {method: _train_and_evaluate(todo, paths, method) for method in _NAMES}
    workdir = results["tsd"]["workdir"]
    if not (paths.export / "client.json").exists():
        export = ["-m", "tsd_tf.export", f"--workdir={workdir}", f"--output_dir={paths.export}"]
        todo.run("Export both halves", *export, "--variants=float32")
    travelled = _test_exported(todo, paths, results)
    videos = listed_video.read(paths.videos, "test")[: FLAGS.num_shown]
    todo.announce("Serve the cloud half behind the gateway, and ask with the client half")
    with _gateway(paths) as address:
        answers = _ask(paths, address, videos, f"--save_clips={paths.clips}")
        print("And once more with frames that are sent unchanged, to compare with the network in this process:")
        (unchanged,) = _ask(paths, address, videos[:1], "--codec=raw")
    todo.announce("Ask the network in this process, for comparison")
    in_process = _in_process_probabilities(workdir, videos[0].path)
    shown = [_shown(paths, *pair) for pair in zip(videos, answers, strict=True)]
    summary = {
        "T": results["tsd"]["num_frames"],
        "Ts": results["tsd"]["num_distilled_frames"],
        "chance": 1 / len(in_process),
        "accuracy_distilled": results["tsd"]["top1"],
        "accuracy_uniform": results["i3d_e"]["top1"],
        "standard_error_distilled": results["tsd"]["top1_standard_error"],
        "standard_error_uniform": results["i3d_e"]["top1_standard_error"],
        "clips": _NUM_CLIPS,
        "test_videos": results["tsd"]["videos"],
        **{name: travelled[name] for name in ("codings", "bytes_at_equal_accuracy")},
        "answers": [{"truth": video.label, **answer} for video, answer in zip(videos, answers, strict=True)],
        "served_minus_in_process": max(abs(a - b) for a, b in zip(unchanged["probabilities"], in_process, strict=True)),
        "tolerance": _PROBABILITY_TOLERANCE,
        "minutes": todo.minutes,
    }
    files.write_json(paths.summary, summary)
    files.write(paths.page, recognition_page.page(_title(summary), _facts(summary), shown))
    _print_summary(summary, paths, results, shown)
    _check(summary)


def _train_and_evaluate(todo: steps.Steps, paths: Paths, method: str) -> dict[str, Any]:
    """Trains and evaluates a method; returns the evaluation's JSON, and its work directory as "workdir"."""
    titles = {"tsd": "I3D, then I3D+TSD in its two stages", "i3d_e": "I3D_E: uniformly sampled frames, for comparison"}
    preset = config.sample(method)
    workdir = paths.runs / preset.dataset / preset.run_name
    arguments = [f"--config={_RECIPE}", f"--method={method}", f"--num_classes={FLAGS.num_classes}"]
    arguments += [f"--data_dir={paths.shards}", f"--runs_dir={paths.runs}"]
    if FLAGS.max_steps:
        arguments.append(f"--max_steps={FLAGS.max_steps}")
    todo.run(f"Train {titles[method]}", "train_kinetics.py", *arguments)
    todo.run(f"Test it on {_NAMES[method]}", "evaluate.py", f"--workdir={workdir}", f"--clips={_NUM_CLIPS}")
    name = f"evaluation_test_T{preset.num_frames}_Ts{preset.num_distilled_frames}_clips{_NUM_CLIPS}.json"
    return {**json.loads((workdir / name).read_text()), "workdir": workdir}


def _test_exported(todo: steps.Steps, paths: Paths, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Tests the exported halves with frames as H.264 and as JPEG, beside whole clips; returns the evaluation's JSON."""
    tsd = results["tsd"]
    arguments = [f"--export_dir={paths.export}", f"--workdir={tsd['workdir']}", "--whole_clip"]
    arguments += [f"--uniform_workdir={results['i3d_e']['workdir']}", f"--codecs={','.join(_CODECS)}", "--clips=1"]
    todo.run("Count the bytes that travel, and test what arrives", "evaluate.py", *arguments)
    coding = f"float32_{_CODECS[0].replace(':', '_')}"
    name = f"evaluation_{coding}_test_T{tsd['num_frames']}_Ts{tsd['num_distilled_frames']}_clips1.json"
    return json.loads((paths.export / name).read_text())


@contextlib.contextmanager
def _gateway(paths: Paths) -> Iterator[str]:
    """Runs the gateway before the cloud half; gives its address."""
    # As the network in this process computes, with whose answers the demo ends.
    arguments = ["-m", "tsd_tf.gateway", f"--model_dir={paths.export / 'cloud'}", "--precision=float32"]
    arguments += ["--port=0", "--rest_port=0", "--admin_port=0"]
    print(f"    python {shlex.join(arguments)} &", flush=True)
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline() if process.stdout else ""
        found = re.search(r"gRPC (\S+:\d+)", ready)
        if not found:
            raise UserError(f"the gateway did not start: expected its ready line, got {ready!r}")
        print(ready.strip(), flush=True)
        yield found[1].rstrip(",")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ask(paths: Paths, address: str, videos: Sequence[ListedVideo], *arguments: str) -> list[dict[str, Any]]:
    """What the client says of the videos."""
    client = ["-m", "tsd_tf.client", f"--model={paths.export / 'client.tflite'}", f"--server={address}", "--json"]
    printed = steps.run(*client, *arguments, *(str(video.path) for video in videos), capture=True)
    return [json.loads(line) for line in printed.splitlines()[:-1]]  # the last one sums up


def _shown(paths: Paths, video: ListedVideo, answer: dict[str, Any]) -> ShownVideo:
    return ShownVideo(
        name=video.path.name,
        answer=answer["label"],
        score=answer["score"],
        clips=distilled_clip.read(next(paths.clips.rglob(f"{video.path.stem}.npz"))),
        truth=video.label,
        event=video.event,
        note=f"{answer['bytes']['distilled']:,} bytes were sent, the video file has {answer['bytes']['video']:,}.",
    )


def _in_process_probabilities(workdir: pathlib.Path, video: pathlib.Path) -> list[float]:
    """The trained Keras network's answer to the frames that the client captures, averaged over its clips."""
    import numpy as np
    from keras import ops

    from tsd_tf.client import clips
    from tsd_tf.data.preprocessing import to_network_input
    from tsd_tf.video import geometry
    from tsd_tf.video.video import Video
    from tsd_tf.work_directory import WorkDirectory

    run = WorkDirectory(workdir)
    trained, network = run.config(), run.load_network()
    pictures = Video(video, square_pixels=trained.square_pixels).frames(
        frame_rate=trained.frame_rate, short_side=trained.short_side
    )
    frames = (geometry.centre(picture, trained.crop_size) for picture in pictures)
    batch = np.stack([clip for _, clip in clips.sliding(frames, trained.num_frames, trained.num_frames)])
    return np.asarray(ops.softmax(network(to_network_input(batch)))).mean(axis=0).tolist()


def _title(summary: dict[str, Any]) -> str:
    return f"Actions of a person, recognised from {summary['Ts']} distilled frames in place of {summary['T']}"


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures above the page's pictures, each with what it is."""
    videos, sent, chance = summary["test_videos"], summary["Ts"], summary["chance"]
    facts = [
        (
            f"{summary['accuracy_distilled']:.1%}",
            f"of {videos} held-out videos are recognised from {sent} distilled frames a clip "
            f"(standard error {summary['standard_error_distilled']:.1%})",
        ),
        (
            f"{summary['accuracy_uniform']:.1%}",
            f"from {sent} uniformly sampled frames, by a network trained on such "
            f"(standard error {summary['standard_error_uniform']:.1%})",
        ),
        (f"{chance:.1%}", "by guessing"),
    ]
    equal = _equal_accuracy(summary)
    if equal["note"]:
        bytes_of = {one["what"]: one["bytes_per_clip"] for one in summary["codings"] if _name(one) == _CODECS[0]}
        distilled, whole, when = bytes_of["distilled"], bytes_of["whole_clip"], "at the same quality"
    else:
        distilled, whole, when = equal["distilled"], equal["whole_clip"], f"for the same accuracy, {equal['top1']:.1%}"
    facts.append(
        (
            f"{distilled:,.0f} bytes",
            f"a clip, sent as distilled frames in H.264; the whole clip takes {whole:,.0f} {when}",
        )
    )
    return facts


def _name(coding: dict[str, Any]) -> str:
    return f"{coding['codec']}:{coding['quality']}"


def _equal_accuracy(summary: dict[str, Any]) -> dict[str, Any]:
    """The bytes at equal accuracy in H.264, or a note why there are none."""
    return next(found for found in summary["bytes_at_equal_accuracy"] if found["codec"] == "h264")


def _print_summary(
    summary: dict[str, Any], paths: Paths, results: dict[str, dict[str, Any]], shown: Sequence[ShownVideo]
) -> None:
    travelled = "\n".join(
        f"    {coding['what'].replace('_', ' '):10} as {coding['codec']:4} of quality {coding['quality']}  "
        f"{coding['bytes_per_clip']:7,.0f} bytes  {coding['top1']:6.1%}  +- {coding['top1_standard_error']:.1%}"
        for coding in summary["codings"]
        if coding["what"] in ("distilled", "whole_clip") and coding["quality"]
    )
    equal = _equal_accuracy(summary)
    travelled += f"\n    as h264 at equal accuracy, {equal['top1']:.1%}: " + (
        equal["note"] or f"distilled {equal['distilled']:.0f} bytes, whole clip {equal['whole_clip']:.0f} bytes"
    )
    answers = "\n".join(f"    {video.in_words}; {video.note.rstrip('.')}" for video in shown)
    tested = f"{summary['test_videos']} held-out videos, {summary['clips']} clips each"
    print(
        f"""
Summary
  accuracy on {tested}, {summary["Ts"]} of {summary["T"]} frames sent
    distilled frames (I3D+TSD)        {summary["accuracy_distilled"]:6.1%}  +- {summary["standard_error_distilled"]:.1%}
    uniformly sampled frames (I3D_E)  {summary["accuracy_uniform"]:6.1%}  +- {summary["standard_error_uniform"]:.1%}
    chance                            {summary["chance"]:6.1%}
  what travels for a clip, and the accuracy with one clip a video; whole clips are distilled behind the decoder
{travelled}
  the first {len(shown)} of these videos through client and gateway, {sum(video.is_right or 0 for video in shown)} right
{answers}
    the served probabilities differ from the in-process ones by {summary["served_minus_in_process"]:.1e}
      (tolerance {summary["tolerance"]}; frames sent without loss)
  files
    these videos, in pictures {paths.page.resolve().as_uri()}
    videos and their lists    {paths.videos}
    TFRecord shards           {paths.shards}
    runs                      {results["tsd"]["workdir"]}
                              {results["i3d_e"]["workdir"]}
    cloud half (SavedModel)   {paths.export / "cloud"}
    client half (TFLite)      {paths.export / "client.tflite"}
    this summary as JSON      {paths.summary}
  {summary["minutes"]:.1f} minutes
  the client as a web page, for a browser on this machine
    {_page_command(paths)}""",
        flush=True,
    )


def _page_command(paths: Paths) -> str:
    """The command that serves the page, and says where."""
    arguments = [f"--model_dir={paths.export / 'cloud'}", "--page", f"--page_samples={paths.videos / 'test'}"]
    command = shlex.join(["python", "-m", "tsd_tf.gateway", *arguments])
    return command if page_site.is_built() else f"make web && {command}"


def _check(summary: dict[str, Any]) -> None:
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
