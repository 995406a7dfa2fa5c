r"""Turns your own videos and a CSV into TFRecord shards.

    python -m tfrecords.build_custom --csv=train.csv --videos_dir=videos --split=train
    python -m tfrecords.build_custom --csv=test.csv --videos_dir=videos --split=test --labels=data/custom/labels.txt

The CSV has the columns `video` (a path inside --videos_dir: a file, or a folder of numbered pictures at
--frame_folder_rate), `label` (a class name) and, for videos that are to be trimmed, `time_start` and `time_end` in
seconds. Without --labels the classes are the names in the CSV, sorted; give the
other splits the labels.txt that the first one wrote. With --first_label the labels are numbers, counted from 0 or 1.
It writes <output_dir>/<split>-00000-of-00016 and so on, labels.txt and manifest-<split>.csv. If it was killed, the same
command goes on where it was. --estimate tells beforehand what it will take; --runner makes it an Apache Beam pipeline.
"""

from absl import flags

from tsd_tf.programs import builder_flags, command_line

_CSV = flags.DEFINE_string("csv", None, "the annotations: video,label[,time_start,time_end]", required=True)
_SPLIT = flags.DEFINE_string(
    "split", None, "train, validate or test: the first part of the shards' names", required=True
)
_LABELS = flags.DEFINE_string("labels", None, "class list, one name per line (default: the names in the CSV, sorted)")
_FIRST_LABEL = flags.DEFINE_enum(
    "first_label", None, ["0", "1"], "labels are numbers that count from here (default: names)"
)
flags.set_default(builder_flags.OUTPUT_DIR, "data/custom")


@command_line.program(extra="build")
def start(argv: list[str]) -> None:
    """Builds the split that the flags describe."""
    options = builder_flags.beam_options(argv)
    from tsd_tf.building import annotations

    class_names = annotations.read_class_list(_LABELS.value) if _LABELS.value else None
    first_label = None if _FIRST_LABEL.value is None else int(_FIRST_LABEL.value)
    rows, class_names = annotations.read_custom(_CSV.value, class_names, first_label)
    builder_flags.build(rows, class_names, builder_flags.OUTPUT_DIR.value, _SPLIT.value, options)


if __name__ == "__main__":
    start()
