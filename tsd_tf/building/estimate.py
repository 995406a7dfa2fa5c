"""How much time and space a build will take, estimated from a few of its videos."""

import os
import pathlib
import resource
import tempfile
import time
from collections.abc import Sequence

from tsd_tf.building import sharding
from tsd_tf.building.annotations import Row
from tsd_tf.building.conversion import Settings
from tsd_tf.contract.errors import UserError


def run(
    rows: Sequence[Row],
    videos_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    class_names: Sequence[str],
    settings: Settings,
    processes: int,
    num_videos: int,
) -> tuple[float, float]:
    """Converts some of the videos, prints what all of them will take, and leaves nothing behind.

    Args:
        rows, videos_dir, class_names, settings, processes: see sharding.build.
        output_dir: where the shards would go; the sample is written to the same disk.
        num_videos: how many to convert: the first ones in the order of the records, which is random.

    Returns:
        (seconds, bytes) of all videos that exist.

    Raises:
        UserError: no video is found or readable, or the folder cannot be written to.
    """
    found = sharding.find(rows, videos_dir, settings.frame_folder_rate)
    sample = [task.row for task in found[:num_videos]]
    output_dir = pathlib.Path(output_dir).absolute()
    disk = next(folder for folder in (output_dir, *output_dir.parents) if folder.exists())
    try:
        temporary = tempfile.TemporaryDirectory(dir=disk, prefix=".estimate-")
    except OSError as error:
        raise UserError(f"cannot write to {disk}: {error}") from error
    with temporary as folder:
        start, cpu_start = time.perf_counter(), _cpu_seconds()
        # One shard for each process, so that all of them are busy to the end.
        sharding.build(sample or rows, videos_dir, folder, "sample", class_names, settings, processes, processes)
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - cpu_start
        num_bytes = sum(path.stat().st_size for path in pathlib.Path(folder).glob("sample-*"))
    count, total = len(sample), len(found)
    seconds_of_all, bytes_of_all = seconds * total / count, num_bytes * total / count
    print(f"{len(rows) - total} of {len(rows)} rows have no video")
    print(
        f"{count} videos on {processes} of {os.cpu_count()} cores: {seconds:.1f} s, "
        f"{cpu_seconds / count:.2f} CPU seconds and {num_bytes / count / 1e6:.2f} MB a video"
    )
    print(
        f"all {total} videos: {cpu_seconds * total / count / 3600:.1f} CPU hours, {bytes_of_all / 1e9:.1f} GB; "
        f"{seconds_of_all / 3600:.1f} hours at this pace"
    )
    return seconds_of_all, bytes_of_all


def _cpu_seconds() -> float:
    """CPU seconds of all worker processes that have ended; the machine's load does not change them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
