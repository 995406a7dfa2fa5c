r"""Turns videos of one's own and a CSV into TFRecord shards.

    python -m tfrecords.build_custom --csv=train.csv --videos_dir=videos --split=train
    python -m tfrecords.build_custom --csv=test.csv --videos_dir=videos --split=test --labels=data/custom/labels.txt

The CSV has the columns `video` (a path inside --videos_dir), `label` (a class name) and, where a video is to be
trimmed, `time_start` and `time_end` in seconds. Without --labels the classes are the names in the CSV, sorted; give the
other splits the labels.txt that the first one wrote. With --first_label the labels are numbers, counted from 0 or 1.
Out come <output_dir>/<split>-00000-of-00016 and so on, labels.txt and manifest-<split>.csv. Killed, it goes on where it
was when started again.
"""

import os

from absl import flags

from tsd_tf import command_line

_CSV = flags.DEFINE_string("csv", None, "Annotations: video,label[,time_start,time_end].", required=True)
_VIDEOS_DIR = flags.DEFINE_string("videos_dir", None, "Folder of the video files.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "data/custom", "Folder of the shards.")
_SPLIT = flags.DEFINE_string(
    "split", None, "train, validate or test: the first part of the shards' names.", required=True
)
_LABELS = flags.DEFINE_string("labels", None, "Class list, one name a line; by default the names in the CSV, sorted.")
_FIRST_LABEL = flags.DEFINE_enum("first_label", None, ["0", "1"], "Labels are numbers, counted from here; else names.")
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 16, "Shards; also the grain in which a killed build resumes.", lower_bound=1
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

    class_names = annotations.read_class_list(_LABELS.value) if _LABELS.value else None
    first_label = None if _FIRST_LABEL.value is None else int(_FIRST_LABEL.value)
    rows, class_names = annotations.read_custom(_CSV.value, class_names, first_label)
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
