"""All parts of a build, on the cores of this machine."""

import collections
import multiprocessing.connection
from collections.abc import Sequence
from typing import Any

import tqdm

from tsd_tf.building.part import Part
from tsd_tf.building.worker import Worker


def run(parts: Sequence[Part], processes: int, hang_seconds: float) -> None:
    """Converts whatever is not finished yet.

    Args:
        parts: of the build.
        processes: worker processes.
        hang_seconds: see Worker.

    Raises:
        OSError: a file cannot be written.
    """
    jobs: collections.deque[Any] = collections.deque()
    missing, done_before = {}, 0
    for part in parts:
        left = [] if part.is_finished() else [piece for piece in part.pieces() if not piece.is_finished()]
        done_before += part.num_files - sum(map(len, left))
        missing[part.number] = len(left)
        jobs.extend(left)
        if not left and not part.is_finished():
            jobs.append(part)
    total = sum(part.num_files for part in parts)
    workers = [Worker(hang_seconds) for _ in range(min(processes, len(jobs)))]
    progress = tqdm.tqdm(total=total, initial=done_before, unit="video", smoothing=0.05)
    try:
        while jobs or any(worker.job is not None for worker in workers):
            for worker in workers:
                if jobs and worker.job is None:
                    worker.assign(jobs.popleft())
            busy = [worker for worker in workers if worker.job is not None]
            multiprocessing.connection.wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                before, job = worker.position, worker.job
                ended = worker.poll() is not None
                if isinstance(job, Part):
                    continue
                progress.update(worker.position - before)
                missing[job.part] -= ended
                if not missing[job.part]:
                    jobs.appendleft(parts[job.part])
    finally:
        for worker in workers:
            worker.kill()
        progress.close()
