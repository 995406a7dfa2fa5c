r"""Turns a copy of Kinetics into TFRecord shards.

    python -m tfrecords.build_kinetics --csv=kinetics-400_train.csv --videos_dir=train --split=train
    python -m tfrecords.build_kinetics --csv=kinetics-400_val.csv --videos_dir=val --split=validate

The folder of videos may hold `<label>/<id>_<start>_<end>.mp4`, `<id>_<start>_<end>.mp4` (trimmed to the annotated ten
seconds) or `<id>.mp4` (untrimmed: trimmed here). Out come `<output_dir>/<split>-00000-of-00064` and so on, labels.txt
and manifest-<split>.csv, which says of every row of the CSV what became of it. Killed, it goes on where it was when
started again. docs/data.md has the format, and the time and space that the whole data set takes.
"""

import os
import pathlib

from absl import flags

from tsd_tf import command_line

_CSV = flags.DEFINE_string(
    "csv", None, "Kinetics' annotations: label,youtube_id,time_start,time_end,split.", required=True
)
_VIDEOS_DIR = flags.DEFINE_string(
    "videos_dir", None, "Folder of the video files; subfolders are searched.", required=True
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "data/kinetics400", "Folder of the shards.")
_SPLIT = flags.DEFINE_string(
    "split", None, "train, validate or test: the first part of the shards' names.", required=True
)
_LABELS = flags.DEFINE_string("labels", None, "Class list, one name a line; Kinetics-400's by default.")
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 64, "Shards; also the grain in which a killed build resumes.", lower_bound=1
)
_SHORT_SIDE = flags.DEFINE_integer("short_side", 256, "Pixels of the stored frames' short side.", lower_bound=1)
_FRAME_RATE = flags.DEFINE_float("frame_rate", 25.0, "Frames a second.", lower_bound=0.1, upper_bound=240.0)
_JPEG_QUALITY = flags.DEFINE_integer("jpeg_quality", 90, "Of the stored frames.", lower_bound=1, upper_bound=100)
_MIN_FRAMES = flags.DEFINE_integer("min_frames", 1, "Clips of fewer frames are left out as too short.", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", None, "Worker processes; one a core by default.", lower_bound=1)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replaces the split's shards of an earlier, different build.")


def main(argv):
    command_line.no_arguments(argv)
    from tfrecords import annotations, conversion, sharding

    labels = _LABELS.value or pathlib.Path(command_line.__file__).parent / "data/labels/kinetics400.txt"
    class_names = annotations.read_class_list(labels)
    rows = annotations.read_kinetics(_CSV.value, class_names)
    settings = conversion.Settings(_FRAME_RATE.value, _SHORT_SIDE.value, _JPEG_QUALITY.value, _MIN_FRAMES.value)
    counts = sharding.build(
        rows,
        _VIDEOS_DIR.value,
        _OUTPUT_DIR.value,
        _SPLIT.value,
        class_names,
        settings,
        num_shards=_NUM_SHARDS.value,
        processes=_PROCESSES.value or os.cpu_count(),
        overwrite=_OVERWRITE.value,
    )
    sharding.print_counts(counts, _OUTPUT_DIR.value, _SPLIT.value)


def start():
    command_line.run(main)


if __name__ == "__main__":
    start()
