r"""Turns a copy of Kinetics into TFRecord shards.

    python -m tfrecords.build_kinetics --csv=kinetics-400_train.csv --videos_dir=train --split=train
    python -m tfrecords.build_kinetics --csv=kinetics-400_val.csv --videos_dir=val --split=validate

The folder of videos may hold `<label>/<id>_<start>_<end>.mp4`, `<id>_<start>_<end>.mp4` (trimmed to the annotated ten
seconds) or `<id>.mp4` (untrimmed: trimmed here, unless its length says that it is trimmed already). It writes
`<output_dir>/<split>-00000-of-00064` and so on, labels.txt and manifest-<split>.csv, which tells what became of every
row of the CSV. If it was killed, the same command goes on where it was. --estimate=200 tells beforehand how much time
and space it will take; --runner makes it an Apache Beam pipeline for more than one machine. docs/data.md describes the
format, and has figures for the whole data set.
"""

import pathlib

from absl import flags

from tsd_tf.programs import builder_flags, command_line

_CSV = flags.DEFINE_string(
    "csv", None, "Kinetics' annotations: label,youtube_id,time_start,time_end,split", required=True
)
_SPLIT = flags.DEFINE_string(
    "split", None, "train, validate or test: the first part of the shards' names", required=True
)
_LABELS = flags.DEFINE_string("labels", None, "class list, one name per line (default: Kinetics-400's)")
flags.set_default(builder_flags.OUTPUT_DIR, "data/kinetics400")
flags.set_default(builder_flags.NUM_SHARDS, 64)


@command_line.program(extra="build")
def start(argv: list[str]) -> None:
    """Builds the split that the flags describe."""
    options = builder_flags.beam_options(argv)
    from tsd_tf.building import annotations, splits

    labels = _LABELS.value or pathlib.Path(annotations.__file__).parent / "labels/kinetics400.txt"
    class_names = annotations.read_class_list(labels)
    rows = annotations.read_kinetics(_CSV.value, class_names)
    split = splits.split_named(_SPLIT.value) or _SPLIT.value
    builder_flags.build(rows, class_names, builder_flags.OUTPUT_DIR.value, split, options)


if __name__ == "__main__":
    start()
