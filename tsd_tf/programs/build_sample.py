"""Writes the sample data set as real video files in Kinetics' layout.

    python -m tfrecords.build_sample --output_dir=data/sample/videos

renders videos of a person who walks and in the middle does one of twelve actions, in a minute and a half on two cores.
It writes, for each of the splits train, validate, test and trimmed,

    <split>/<class>/<id>_000000_000001.mp4     40 frames at 25 a second, H.264; 8 around the event in `trimmed`
    <split>.csv                                Kinetics' columns: label, youtube_id, time_start, time_end, split
    <split>_events.csv                         youtube_id, first frame of the event, frames of the event
    <split>_poses.npz                          the actor's pose in every frame (docs/data.md)
    labels.txt                                 the class names

`trimmed` holds the training videos cut to the action, like data sets for pretraining. --task=axis and --task=direction
write videos of coloured sprites instead, without poses. docs/data.md describes classes and events. python -m
tfrecords.build_kinetics turns each split into shards.
"""

import os
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

if TYPE_CHECKING:
    from tsd_tf.building.scene import Scene

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "data/sample/videos", "folder to write; must not exist yet")
flags.DEFINE_integer("num_train", 1500, "training videos", lower_bound=1)
flags.DEFINE_integer("num_validate", 0, "validation videos", lower_bound=0)
flags.DEFINE_integer("num_test", 300, "test videos", lower_bound=1)
flags.DEFINE_enum(
    "task",
    "actions",
    ["actions", "axis", "direction"],
    "what the classes are: a person's actions; a sprite's colour and axis of motion; its signed direction",
)
_ACTIONS = (
    flags.DEFINE_integer("size", 64, "height and width of a video of actions, 64 to 224, in pixels"),
    flags.DEFINE_integer("num_frames", 40, "length of a video of actions"),
    flags.DEFINE_list("event_frames", ["10", "14"], "least and largest number of frames of an action, 3 to 24"),
    flags.DEFINE_integer("num_classes", 12, "number of actions, 2 to 12"),
    flags.DEFINE_bool("clutter", False, "a second person, who only walks, in every video of actions"),
    flags.DEFINE_float("camera_motion", 1.0, "factor on how fast the camera of actions turns and pans; 0: not at all"),
    flags.DEFINE_string("domain", "main", "main, or other_people: bodies of other proportions, another camera"),
)
_SPRITES = (flags.DEFINE_enum("num_axes", "2", ["2", "4"], "axes of sprites' motion: 2 gives 6 classes, 4 gives 12"),)
flags.DEFINE_integer("seed", 0, "seed of everything in the videos", lower_bound=0)
flags.DEFINE_integer("processes", None, "worker processes (default: one per core)", lower_bound=1)


@command_line.program(extra="sample")
def start(argv: list[str]) -> None:
    """Writes the data set that the flags describe."""
    command_line.no_arguments(argv)
    scene = _scene()
    from tsd_tf.building import sample_videos

    final = pathlib.Path(FLAGS.output_dir)
    if final.exists():
        raise UserError(f"{final} already exists; remove it or choose another --output_dir")
    with files.whole(final) as folder:
        folder.mkdir()
        sample_videos.write(
            folder,
            {"train": FLAGS.num_train, "validate": FLAGS.num_validate, "test": FLAGS.num_test},
            scene=scene,
            seed=FLAGS.seed,
            processes=FLAGS.processes or os.cpu_count() or 1,
        )
    print(
        f"Wrote {FLAGS.num_train} training, {FLAGS.num_validate} validation and {FLAGS.num_test} test videos: {final}"
    )


def _scene() -> "Scene":
    if FLAGS.task != "actions":
        from tsd_tf.building.sprite_videos import SpriteVideos

        _refuse(_ACTIONS)
        return SpriteVideos(num_axes=int(FLAGS.num_axes), task=FLAGS.task)
    from tsd_tf.building.action_videos import ActionVideos

    _refuse(_SPRITES)
    settings: dict[str, Any] = {holder.name: holder.value for holder in _ACTIONS}
    return ActionVideos(**settings | {"event_frames": _range(FLAGS.event_frames)})


def _refuse(holders: Iterable[flags.FlagHolder]) -> None:
    """UserError on a flag that says nothing about the videos of this task."""
    for holder in holders:
        if holder.present:
            raise UserError(f"--task={FLAGS.task} takes no --{holder.name}")


def _range(numbers: list[str]) -> tuple[int, int]:
    try:
        least, most = map(int, numbers)
    except ValueError:
        raise UserError(f"--event_frames must be two numbers, as 10,14. Received: {','.join(numbers)}") from None
    return least, most


if __name__ == "__main__":
    start()
