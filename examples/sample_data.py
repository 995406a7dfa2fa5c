"""The sample data set for the demo and for the model that ships: rendered, and turned into shards."""

import pathlib

from examples import steps

NUM_STEPS = 4


def build(todo: steps.Steps, videos: pathlib.Path, shards: pathlib.Path, *arguments: str) -> None:
    """Renders the videos, unless they are there, and writes shards of the splits train, trimmed and test.

    Args:
        todo: gets NUM_STEPS steps, or one less.
        videos, shards: folders.
        arguments: flags of tfrecords.build_sample.
    """
    if not videos.exists():
        todo.run(
            "Render the sample data set as video files",
            "-m",
            "tfrecords.build_sample",
            f"--output_dir={videos}",
            *arguments,
        )
    for split in ("train", "trimmed", "test"):
        todo.run(
            f"Turn the {split} videos into TFRecord shards",
            "-m",
            "tfrecords.build_kinetics",
            f"--csv={videos / split}.csv",
            f"--videos_dir={videos / split}",
            f"--labels={videos / 'labels.txt'}",
            f"--split={split}",
            f"--output_dir={shards}",
            "--num_shards=4",
            "--short_side=64",
        )
