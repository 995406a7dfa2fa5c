r"""Turns a copy of UCF101 into TFRecord shards, one folder for each of its three train/test splits.

    python -m tfrecords.build_ucf101 --videos_dir=UCF-101 --lists_dir=ucfTrainTestlist

`lists_dir` holds classInd.txt, trainlist01.txt, testlist01.txt and so on; `videos_dir` the avi files, in folders named
after the classes or not. It writes data/ucf101/split1, split2 and split3, each with the shards `train-*` and `test-*`,
labels.txt, and manifest-train.csv and manifest-test.csv, which tell what became of every listed video. If it was
killed, the same command goes on where it was. --estimate tells beforehand what it will take; --runner makes it an
Apache Beam pipeline.
"""

import pathlib

from absl import flags

from tsd_tf.programs import builder_flags, command_line

_LISTS_DIR = flags.DEFINE_string(
    "lists_dir", None, "folder of classInd.txt and the train and test lists", required=True
)
_SPLITS = flags.DEFINE_multi_enum("split", ["1", "2", "3"], ["1", "2", "3"], "which splits to build; may be repeated")
flags.set_default(builder_flags.OUTPUT_DIR, "data/ucf101")


@command_line.program(extra="build")
def start(argv: list[str]) -> None:
    """Builds the splits that the flags describe."""
    options = builder_flags.beam_options(argv)
    from tsd_tf.building import annotations

    lists_dir = pathlib.Path(_LISTS_DIR.value)
    for number in sorted(set(_SPLITS.value)):
        output_dir = pathlib.Path(builder_flags.OUTPUT_DIR.value) / f"split{number}"
        for part in ("train", "test"):
            rows, class_names = annotations.read_ucf101(
                lists_dir / "classInd.txt", lists_dir / f"{part}list0{number}.txt"
            )
            print(f"{output_dir}, {part}:")
            builder_flags.build(rows, class_names, output_dir, part, options)


if __name__ == "__main__":
    start()
