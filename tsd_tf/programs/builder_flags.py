"""The flags that all builders share, and the build that they describe."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line, video_flags

if TYPE_CHECKING:
    from tsd_tf.building.annotations import Row

VIDEOS_DIR = flags.DEFINE_string(
    "videos_dir", None, "folder of the video files; subfolders are searched", required=True
)
OUTPUT_DIR = flags.DEFINE_string("output_dir", "data", "folder of the shards")
NUM_SHARDS = flags.DEFINE_integer("num_shards", 16, "shards, at most one per video", lower_bound=1)
SHORT_SIDE = flags.DEFINE_integer("short_side", 256, "pixels of the stored frames' short side", lower_bound=1)
FRAME_RATE = flags.DEFINE_float("frame_rate", 25.0, "stored frames a second", lower_bound=0.1, upper_bound=240.0)
JPEG_QUALITY = flags.DEFINE_integer("jpeg_quality", 90, "quality of the stored frames", lower_bound=1, upper_bound=100)
MIN_FRAMES = flags.DEFINE_integer("min_frames", 1, "leave out clips of fewer frames as too short", lower_bound=1)
SQUARE_PIXELS = flags.DEFINE_bool(
    "square_pixels",
    False,
    "obey a ratio of the pixels' sides other than 1; by default pictures are stored as they are, because many copies "
    "of data sets state a wrong one",
)
PROCESSES = flags.DEFINE_integer("processes", None, "worker processes (default: one per core)", lower_bound=1)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace the shards of an earlier, different build")
ESTIMATE = flags.DEFINE_integer(
    "estimate", None, "build nothing: convert this many videos and tell what all of them will take", lower_bound=1
)
RUNNER = flags.DEFINE_string(
    "runner",
    None,
    "Apache Beam's runner (DirectRunner, DaskRunner, ...) instead of this machine's processes; Beam's own options "
    "follow after --, as in --runner=DirectRunner -- --direct_num_workers=4 (docs/data.md has the details)",
)


def beam_options(argv: list[str]) -> list[str] | None:
    """Beam's command-line options, from a program's positional arguments; None without --runner.

    Raises:
        UserError: arguments without --runner, or arguments that are not options.
    """
    if RUNNER.value is None:
        command_line.no_arguments(argv)
        return None
    if ESTIMATE.value or PROCESSES.value:
        raise UserError("--estimate and --processes are about this machine; leave them out with --runner")
    if argv[1:] and not argv[1].startswith("--"):
        raise UserError(f"expected Beam's options after --, got {' '.join(argv[1:])}")
    return [f"--runner={RUNNER.value}", *argv[1:]]


def build(
    rows: "Sequence[Row]",
    class_names: Sequence[str],
    output_dir: str | os.PathLike,
    split: str,
    options: Sequence[str] | None,
) -> None:
    """Builds one split as the flags say, and prints what became of its rows.

    Args:
        rows: the annotations.
        class_names: by label.
        output_dir: folder of the shards.
        split: first part of the shards' names.
        options: what `beam_options` returned.
    """
    from tsd_tf.building import conversion, estimate, sharding

    settings = conversion.Settings(
        FRAME_RATE.value,
        SHORT_SIDE.value,
        JPEG_QUALITY.value,
        MIN_FRAMES.value,
        SQUARE_PIXELS.value,
        video_flags.FRAME_FOLDER_RATE.value,
    )
    processes = PROCESSES.value or os.cpu_count() or 1
    if ESTIMATE.value:
        estimate.run(rows, VIDEOS_DIR.value, output_dir, class_names, settings, processes, ESTIMATE.value)
        return
    counts = sharding.build(
        rows,
        VIDEOS_DIR.value,
        output_dir,
        split,
        class_names,
        settings,
        num_shards=NUM_SHARDS.value,
        processes=processes,
        overwrite=OVERWRITE.value,
        beam_options=options,
    )
    sharding.print_counts(counts, output_dir, split)
