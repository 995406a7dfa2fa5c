"""How long a build will take, and how much space, from a few of its videos."""

import contextlib
import os
import pathlib
import resource
import tempfile
import time

from tsd_tf.building import sharding
from tsd_tf.contract.errors import UserError


def run(rows, videos_dir, output_dir, class_names, settings, processes, num_videos):
    """Converts some of the videos, prints time and space, and leaves nothing behind.

    Args:
        rows, videos_dir, class_names, settings, processes: as of sharding.build.
        output_dir: the shards would go there; its disk is the one that is written to.
        num_videos: videos to convert. They are a random sample: the first in the order in which records are stored.

    Returns:
        (seconds, bytes) of all videos that are there.

    Raises:
        UserError: no video found or readable, a folder that cannot be written to.
    """
    found = sharding.find(rows, videos_dir)
    sample = [task.row for task in found[:num_videos]]
    disk = pathlib.Path(output_dir).absolute()
    while not disk.exists():
        disk = disk.parent
    with contextlib.ExitStack() as stack:
        try:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=disk, prefix=".estimate-")))
        except OSError as error:
            raise UserError(f"cannot write to {disk}: {error}") from error
        start, cpu_start = time.perf_counter(), _cpu_seconds()
        # One shard for each process, so that all of them are busy to the end.
        sharding.build(sample or rows, videos_dir, folder, "sample", class_names, settings, processes, processes)
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - cpu_start
        num_bytes = sum(path.stat().st_size for path in folder.glob("sample-*"))
    count, total = len(sample), len(found)
    seconds_of_all, bytes_of_all = seconds * total / count, num_bytes * total / count
    print(f"{len(rows) - total} of {len(rows)} rows have no video")
    print(
        f"{count} videos on {processes} of {os.cpu_count()} cores: {seconds:.1f} s, "
        f"{cpu_seconds / count:.2f} CPU seconds and {num_bytes / count / 1e6:.2f} MB a video"
    )
    print(
        f"all {total} that are there: {cpu_seconds * total / count / 3600:.1f} CPU hours, {bytes_of_all / 1e9:.1f} GB; "
        f"{seconds_of_all / 3600:.1f} hours at this pace"
    )
    return seconds_of_all, bytes_of_all


def _cpu_seconds():
    """Of all worker processes that have ended: other work on the machine does not count, unlike in the time."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
