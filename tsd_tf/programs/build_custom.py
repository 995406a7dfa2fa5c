r"""Turns your own videos into TFRecord shards: a folder with one subfolder a class, or a CSV.

    python -m tfrecords.build_custom --videos_dir=videos
    python -m tfrecords.build_custom --videos_dir=videos --csv=annotations.csv

The folder holds `<class>/<video>`, or `<split>/<class>/<video>` with `train`, `val` and `test` as its top folders. The
CSV has the columns `video` (a path inside --videos_dir) and `label` (a class name). `time_start` and `time_end`, in
seconds, trim a video; `split` says train, validate or test; `source` names the video that several files were cut from.
All three may be missing. Where nothing says the split, a hash of the source video does, so that all clips of one are on
one side: a tenth for validation, a tenth for the test (--validate_share, --test_share). --split=NAME puts everything
into one split instead, with --labels=data/custom/labels.txt for the second and later ones.

It writes <output_dir>/<split>-00000-of-00016 and so on, labels.txt and manifest-<split>.csv. If it was killed, the same
command goes on where it was. --estimate tells beforehand what it will take; --runner makes it an Apache Beam pipeline.
docs/own_data.md goes on from here.
"""

import sys

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import builder_flags, command_line, video_flags

_CSV = flags.DEFINE_string(
    "csv",
    None,
    "the annotations: video,label[,time_start,time_end][,split][,source] (default: the subfolders of --videos_dir are "
    "the classes)",
)
_SPLIT = flags.DEFINE_string(
    "split",
    None,
    "put all videos into this split: train, validate (or val, as folders are named), test, or a name of your own "
    "(default: what the rows or folders say, or a hash)",
)
_VALIDATE_SHARE = flags.DEFINE_float("validate_share", 0.1, "share of the videos that a hash makes validate", 0, 1)
_TEST_SHARE = flags.DEFINE_float("test_share", 0.1, "share of the videos that a hash makes test", 0, 1)
_LABELS = flags.DEFINE_string(
    "labels", None, "class list, one name per line (default: the names in the CSV or of the subfolders, sorted)"
)
_FIRST_LABEL = flags.DEFINE_enum(
    "first_label", None, ["0", "1"], "labels in the CSV are numbers that count from here (default: names)"
)
flags.set_default(builder_flags.OUTPUT_DIR, "data/custom")


@command_line.program(extra="build")
def start(argv: list[str]) -> None:
    """Builds the splits that the flags describe."""
    options = builder_flags.beam_options(argv)
    if _SPLIT.value and (flags.FLAGS["validate_share"].present or flags.FLAGS["test_share"].present):
        raise UserError("--split puts all videos into one split: leave out --validate_share and --test_share")
    from tsd_tf.building import annotations, splits
    from tsd_tf.building.class_folders import read_class_folders

    class_names = annotations.read_class_list(_LABELS.value) if _LABELS.value else None
    if _CSV.value:
        first_label = None if _FIRST_LABEL.value is None else int(_FIRST_LABEL.value)
        rows, class_names = annotations.read_custom(_CSV.value, class_names, first_label)
    elif _FIRST_LABEL.value:
        raise UserError("--first_label is about the numbers in --csv, which is missing")
    else:
        rows, class_names = read_class_folders(
            builder_flags.VIDEOS_DIR.value,
            class_names,
            video_flags.FRAME_FOLDER_RATE.value,
            note=lambda text: print(command_line.in_flags(text), file=sys.stderr),
        )
    shares = _VALIDATE_SHARE.value, _TEST_SHARE.value
    parts = {splits.split_named(_SPLIT.value) or _SPLIT.value: rows} if _SPLIT.value else splits.by_split(rows, *shares)
    failed = []
    for split, members in parts.items():
        if len(parts) > 1:
            print(f"{split}:", flush=True)
        try:
            builder_flags.build(members, class_names, builder_flags.OUTPUT_DIR.value, split, options)
        except UserError as error:  # the other splits are whole without this one
            if len(parts) == 1:
                raise
            failed.append(split)
            print(f"not built: {command_line.in_flags(str(error))}", file=sys.stderr)
    if failed:
        raise UserError(f"{len(failed)} of {len(parts)} splits were not built: {', '.join(failed)}; see above")


if __name__ == "__main__":
    start()
