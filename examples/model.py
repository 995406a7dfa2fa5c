"""Trains the model that ships with the package, tests what ships, writes its card, and puts it in its place.

    make model

takes less than half an hour on two cores. Everything is in model/; if it is interrupted, the same command goes on where
it was. What ships goes to tsd_tf/models/actions (--ship_to): the client half as TFLite, the cloud half as a SavedModel,
some of the test videos, and the card, README.md, with the numbers that it states as model.json. The recipe is in this
file.
"""

import contextlib
import csv
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

from absl import flags

from examples import model_card, sample_data, steps
from tsd_tf import config as configs
from tsd_tf import models
from tsd_tf.building import listed_video
from tsd_tf.contract import files, signatures
from tsd_tf.contract.clip_spec import SEGMENTS
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", "model", "folder for everything that is made on the way")
flags.DEFINE_string("ship_to", str(models.ACTIONS), "folder of what ships; replaced")
flags.DEFINE_integer("num_train", 2400, "training videos", lower_bound=12)
flags.DEFINE_integer("num_test", 600, "test videos", lower_bound=12)
flags.DEFINE_integer("max_steps", None, "cut every training stage short to try the path out; accuracy is not checked")

# The recipe: the preset `sample` for twelve actions, with these changes.
_SEED = 1  # of videos and training; demo and study have others
_TIMES_STEPS = 2.0  # of every stage
# What I3D first sees of an action: frames that lie far apart, as those that the client will pick do.
_SPARSE: dict[str, Any] = {"num_frames": 5, "frame_sampling": SEGMENTS}
_CHANGES: dict[str, Any] = {"num_classes": 12, "seed": _SEED}

_CODECS = ("h264:24", "raw")
_NUM_CLIPS = (1, 10)
_NUM_SHOWN = 4  # videos that ship, of as many classes
_MOST_BYTES = 5_000_000
# With 600 videos of twelve classes, three times chance is fourteen standard errors above chance.
_TIMES_CHANCE = 3.0


def main(argv: list[str]) -> None:
    """Makes the model."""
    command_line.no_arguments(argv)
    target = pathlib.Path(FLAGS.ship_to).resolve()
    output = steps.enter(FLAGS.output_dir)
    todo = steps.Steps(sample_data.NUM_STEPS + 4)
    counts = [f"--num_classes={_CHANGES['num_classes']}", f"--num_train={FLAGS.num_train}"]
    counts += [f"--num_test={FLAGS.num_test}", f"--seed={_SEED}"]
    sample_data.build(todo, output / "videos", output / "shards", *counts)
    todo.announce("Train I3D, then I3D+TSD in its two stages")
    workdir = output / "tsd"
    _train(output, workdir)
    export = output / "export"
    shutil.rmtree(export, ignore_errors=True)
    arguments = ["-m", "tsd_tf.export", f"--workdir={workdir}", f"--output_dir={export}", "--variants=float32"]
    todo.run("Export both halves", *arguments)
    round_weights(export / signatures.CLOUD_DIR / "1")
    arguments = [f"--export_dir={export}", f"--workdir={workdir}", f"--codecs={','.join(_CODECS)}"]
    arguments.append(f"--clips={','.join(map(str, _NUM_CLIPS))}")
    todo.run("Test what ships", "evaluate.py", *arguments)
    todo.announce("Write its card, and put it in its place")
    facts = collect_facts(workdir, export, _config("i3d", output / "shards"), FLAGS.num_train)
    _check(facts)
    ship(output / "videos", export, facts, recognised(output / "videos", export, _NUM_SHOWN), target)
    print(f"    {target}")


def _config(method: str, shards: pathlib.Path) -> configs.Config:
    return dataclasses.replace(configuration(method, FLAGS.max_steps), data_dir=str(shards))


def configuration(method: str, max_steps: int | None = None) -> configs.Config:
    """The recipe of a method: its Config, but for the folder of the shards.

    Args:
        method: "tsd", or "i3d", from which it starts.
        max_steps: cuts every stage short.
    """
    preset = configs.sample(method)
    stages = tuple(_stage(stage, max_steps) for stage in preset.stages)
    return dataclasses.replace(preset, data_dir="", stages=stages, **_CHANGES)


def _stage(stage: configs.Stage, max_steps: int | None) -> configs.Stage:
    """A stage of the preset, as long as the recipe says, on the clips that it says."""
    num_steps = round(_TIMES_STEPS * stage.num_steps)
    boundaries = tuple(round(_TIMES_STEPS * boundary) for boundary in stage.boundaries)
    changes = _SPARSE if (stage.trains, stage.split) == ("network", "trimmed") else {}
    return dataclasses.replace(
        stage, num_steps=min(num_steps, max_steps or num_steps), boundaries=boundaries, **changes
    )


def _train(output: pathlib.Path, workdir: pathlib.Path) -> None:
    from tsd_tf.training import recipe
    from tsd_tf.training.validation import ValidationPlan

    recipe.train_on_kinetics(
        _config("tsd", output / "shards"),
        workdir,
        i3d_config=_config("i3d", output / "shards"),
        i3d_workdir=output / "i3d",
        validation=ValidationPlan(num_videos=0),  # the test videos are for the card alone
    )


def round_weights(saved_model: pathlib.Path) -> None:
    """Rounds the weights of a SavedModel to what float16 can hold; they stay float32.

    Half of their bits are zeros then, which Git and wheels do not store. Nobody who loads it has to do anything.
    """
    import numpy as np
    import tensorflow as tf

    prefix = str(saved_model / "variables/variables")
    reader = tf.train.load_checkpoint(prefix)
    names = sorted(reader.get_variable_to_shape_map())
    values = [reader.get_tensor(name) for name in names]
    values = [
        value.astype(np.float16).astype(np.float32) if getattr(value, "dtype", None) == np.float32 else value
        for value in values
    ]
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=list(map(tf.constant, values))
    )


def collect_facts(
    workdir: pathlib.Path, export: pathlib.Path, i3d_config: configs.Config, num_train: int
) -> dict[str, Any]:
    """What the card states.

    Args:
        workdir: the trained run.
        export: its export, tested with _CODECS and _NUM_CLIPS.
        i3d_config: of the I3D that the run started from.
        num_train: training videos.
    """
    trained = configs.Config.from_json((workdir / "config.json").read_text())
    tested = [_evaluation(export, trained, clips) for clips in _NUM_CLIPS]
    names = ("codec", "quality", "bytes_per_clip", "top1", "top1_standard_error")
    return {
        "classes": (export / signatures.LABELS_FILE).read_text().splitlines(),
        "num_train": num_train,
        "num_test": tested[0]["videos"],
        "seed": trained.seed,
        "accuracy": [
            {"clips": one["clips"], **{name: coding[name] for name in names}}
            for one in tested
            for coding in one["codings"]
            if coding["what"] == "distilled"
        ],
        "per_class": tested[0]["per_class"],
        "configuration": {
            name: dataclasses.asdict(dataclasses.replace(config, data_dir=""))
            for name, config in (("tsd", trained), ("i3d", i3d_config))
        },
        "versions": json.loads((workdir / "environment.json").read_text())["versions"],
    }


def _evaluation(export: pathlib.Path, trained: configs.Config, clips: int) -> dict[str, Any]:
    coding = _CODECS[0].replace(":", "_")
    frames = f"T{trained.num_frames}_Ts{trained.num_distilled_frames}"
    return json.loads((export / f"evaluation_float32_{coding}_test_{frames}_clips{clips}.json").read_text())


def _check(facts: dict[str, Any]) -> None:
    """UserError if the model is not worth shipping."""
    least = _TIMES_CHANCE / len(facts["classes"])
    top1 = min(one["top1"] for one in facts["accuracy"])
    if FLAGS.max_steps is None and top1 < least:
        raise UserError(f"expected an accuracy of at least {least:.1%}, got {top1:.1%}; nothing was put in place")


def recognised(videos: pathlib.Path, export: pathlib.Path, count: int) -> list[listed_video.ListedVideo]:
    """The first test videos of `count` classes that the exported halves answer rightly, fewer if there are no more.

    They show what the model does; how often it does so is the card's to say.

    Args:
        videos: the sample data set.
        export: both halves.
        count: videos, each of another class.
    """
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.client.grpc_connection import GrpcConnection
    from tsd_tf.client.recognizer import Recognizer
    from tsd_tf.serving.server import BackgroundServer

    found: dict[str, listed_video.ListedVideo] = {}
    distiller = Distiller(export / signatures.tflite_file("float32"))
    stride = models.overlapping(distiller.model.num_frames)
    with (
        BackgroundServer(export / signatures.CLOUD_DIR) as server,
        contextlib.closing(GrpcConnection(server.address)) as connection,
        contextlib.closing(Recognizer(distiller, connection, codec="raw", stride=stride)) as recognizer,
    ):
        for video in listed_video.read(videos, "test"):
            if len(found) == count:
                break
            if video.label not in found and recognizer.recognize(video.path).label == video.label:
                found[video.label] = video
    return list(found.values())


def ship(
    videos: pathlib.Path,
    export: pathlib.Path,
    facts: dict[str, Any],
    shown: Sequence[listed_video.ListedVideo],
    target: pathlib.Path,
) -> None:
    """Puts what ships into a folder, which is replaced.

    Args:
        videos: the sample data set.
        export: both halves.
        facts: what the card states.
        shown: the test videos that ship.
        target: the folder.

    Raises:
        UserError: it would be too large.
    """
    with files.whole(target) as folder:
        folder.mkdir()
        for name in (signatures.tflite_file("float32"), signatures.SIDECAR_FILE, signatures.LABELS_FILE):
            shutil.copy(export / name, folder)
        shutil.copytree(export / signatures.CLOUD_DIR, folder / signatures.CLOUD_DIR)
        _copy_videos(videos, shown, folder / models.VIDEOS_DIR)
        (folder / models.FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n")
        (folder / "README.md").write_text(model_card.card(facts))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > _MOST_BYTES:
            raise UserError(f"expected at most {_MOST_BYTES:,} bytes, got {size:,}; nothing was put in place")


def _copy_videos(source: pathlib.Path, shown: Sequence[listed_video.ListedVideo], target: pathlib.Path) -> None:
    """Test videos, with their lists."""
    names = {video.path.name.partition("_")[0] for video in shown}
    for video in shown:
        to = target / video.path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video.path, to)
    for name in ("test.csv", "test_events.csv"):
        with (source / name).open(newline="") as old, (target / name).open("w", newline="") as new:
            rows = csv.DictReader(old)
            writer = csv.DictWriter(new, rows.fieldnames or ())
            writer.writeheader()
            writer.writerows(row for row in rows if row["youtube_id"] in names)


if __name__ == "__main__":
    command_line.run(main, extra="train", backends=("tensorflow",))
