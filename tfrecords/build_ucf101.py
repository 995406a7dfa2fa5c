r"""Turns a copy of UCF101 into TFRecord shards, one folder for each of its three train/test splits.

    python -m tfrecords.build_ucf101 --videos_dir=UCF-101 --lists_dir=ucfTrainTestlist

`lists_dir` holds classInd.txt, trainlist01.txt, testlist01.txt and so on; `videos_dir` the avi files, in folders named
after the classes or not. Out come data/ucf101/split1, split2 and split3, each with the shards `train-*` and `test-*`,
labels.txt, and manifest-train.csv and manifest-test.csv, which say of every listed video what became of it. Killed, it
goes on where it was when started again.
"""

import os
import pathlib

from absl import flags

from tsd_tf import command_line

_VIDEOS_DIR = flags.DEFINE_string(
    "videos_dir", None, "Folder of the avi files; subfolders are searched.", required=True
)
_LISTS_DIR = flags.DEFINE_string(
    "lists_dir", None, "Folder of classInd.txt and the train and test lists.", required=True
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "data/ucf101", "Folder of the folders split1, split2 and split3.")
_SPLITS = flags.DEFINE_multi_enum("split", ["1", "2", "3"], ["1", "2", "3"], "Which splits to build; may be repeated.")
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 16, "Shards of each list; the grain in which a killed build resumes.", lower_bound=1
)
_SHORT_SIDE = flags.DEFINE_integer("short_side", 256, "Pixels of the stored frames' short side.", lower_bound=1)
_FRAME_RATE = flags.DEFINE_float("frame_rate", 25.0, "Frames a second.", lower_bound=0.1, upper_bound=240.0)
_JPEG_QUALITY = flags.DEFINE_integer("jpeg_quality", 90, "Of the stored frames.", lower_bound=1, upper_bound=100)
_MIN_FRAMES = flags.DEFINE_integer("min_frames", 1, "Clips of fewer frames are left out as too short.", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", None, "Worker processes; one a core by default.", lower_bound=1)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replaces the shards of an earlier, different build.")


def main(argv):
    command_line.no_arguments(argv)
    from tfrecords import annotations, conversion, sharding

    lists_dir = pathlib.Path(_LISTS_DIR.value)
    settings = conversion.Settings(_FRAME_RATE.value, _SHORT_SIDE.value, _JPEG_QUALITY.value, _MIN_FRAMES.value)
    for number in sorted(set(_SPLITS.value)):
        output_dir = pathlib.Path(_OUTPUT_DIR.value) / f"split{number}"
        for part in ("train", "test"):
            rows, class_names = annotations.read_ucf101(
                lists_dir / "classInd.txt", lists_dir / f"{part}list0{number}.txt"
            )
            print(f"{output_dir}, {part}:")
            counts = sharding.build(
                rows,
                _VIDEOS_DIR.value,
                output_dir,
                part,
                class_names,
                settings,
                num_shards=_NUM_SHARDS.value,
                processes=_PROCESSES.value or os.cpu_count(),
                overwrite=_OVERWRITE.value,
            )
            sharding.print_counts(counts, output_dir, part)


def start():
    command_line.run(main)


if __name__ == "__main__":
    start()
