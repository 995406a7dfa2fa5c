"""Writes the procedural sample data set as real video files in Kinetics' layout.

    python -m tfrecords.build_sample --output_dir=data/sample/videos

takes about a minute on two cores and writes, for each of the splits train, validate, test and trimmed,

    <split>/<class>/<id>_000000_000001.mp4     40 frames at 25 a second; 8 around the event in `trimmed`
    <split>.csv                                Kinetics' columns: label, youtube_id, time_start, time_end, split
    <split>_events.csv                         youtube_id, first frame of the event, frames of the event
    labels.txt                                 the class names

`trimmed` holds the training videos cut to the action, like data sets for pretraining. tsd_tf.building.procedural_videos
describes classes and events. python -m tfrecords.build_kinetics turns each split into shards.
"""

import os
import pathlib

from absl import flags

from tsd_tf.building import procedural_videos
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "data/sample/videos", "folder to write; must not exist yet")
flags.DEFINE_integer("num_train", 1500, "training videos", lower_bound=1)
flags.DEFINE_integer("num_validate", 0, "validation videos", lower_bound=0)
flags.DEFINE_integer("num_test", 300, "test videos", lower_bound=1)
flags.DEFINE_enum("num_axes", "2", ["2", "4"], "axes of motion: 2 gives 6 classes, 4 gives 12")
flags.DEFINE_enum(
    "task", "axis", procedural_videos.TASKS, "what tells the classes apart: colour and axis, or the signed direction"
)
flags.DEFINE_integer("seed", 0, "seed of everything in the videos")
flags.DEFINE_integer("processes", None, "worker processes (default: one per core)", lower_bound=1)


@command_line.program(extra="build")
def start(argv: list[str]) -> None:
    """Writes the data set that the flags describe."""
    command_line.no_arguments(argv)
    from tsd_tf.building import sample_videos

    final = pathlib.Path(FLAGS.output_dir)
    if final.exists():
        raise UserError(f"{final} already exists; remove it or choose another --output_dir")
    with files.whole(final) as folder:
        folder.mkdir()
        sample_videos.write(
            folder,
            {"train": FLAGS.num_train, "validate": FLAGS.num_validate, "test": FLAGS.num_test},
            settings=procedural_videos.VideoSettings(num_axes=int(FLAGS.num_axes), task=FLAGS.task),
            seed=FLAGS.seed,
            processes=FLAGS.processes or os.cpu_count() or 1,
        )
    print(
        f"Wrote {FLAGS.num_train} training, {FLAGS.num_validate} validation and {FLAGS.num_test} test videos: {final}"
    )


if __name__ == "__main__":
    start()
