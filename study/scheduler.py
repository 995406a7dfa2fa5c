"""Runs cells on worker processes of one thread each, every cell behind those that it starts from."""

import concurrent.futures
import multiprocessing
import os
import time

from tqdm import tqdm

from study.run_cell import result_path, run_cell
from tsd_tf.errors import UserError


def run(cells, runs_dir, workers, run_one=run_cell):
    """Runs all cells that have no result yet.

    Args:
        cells: list of study.cell.Cell; what they need is among them.
        runs_dir: folder of the work directories.
        workers: processes; each has a core of its own.
        run_one: (cell, runs_dir) -> None, what a worker calls; importable.

    Raises:
        UserError: a cell failed; those that did not need it have run.
    """
    waiting = {cell.name: cell for cell in cells}
    if missing := {name for cell in cells for name in cell.needs if name not in waiting}:
        raise UserError(f"these cells are needed, but not among those to run: {', '.join(sorted(missing))}")
    total = sum(cell.cost for cell in cells)
    done = {name for name in waiting if result_path(runs_dir, name).exists()}
    already = sum(cell.cost for cell in cells if cell.name in done)
    waiting = {name: cell for name, cell in waiting.items() if name not in done}
    began, spent, running, failed = time.monotonic(), 0.0, {}, {}
    # spawn: a fork of a process with TensorFlow's threads may hang.
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in _cores(workers):
        cores.put(core)
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, initializer=_take_core, initargs=(cores,))
    with pool, tqdm(total=len(cells), initial=len(done), desc="cells", unit="cell", smoothing=0) as bar:
        while waiting or running:
            for cell in _startable(waiting, done, workers - len(running)):
                running[pool.submit(run_one, waiting.pop(cell.name), runs_dir)] = cell
            if not running:
                break  # what waits needs a cell that failed
            finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                cell = running.pop(future)
                if error := future.exception():
                    failed[cell.name] = error
                    tqdm.write(f"{cell.name} failed: {error}")
                    continue
                done.add(cell.name)
                spent += cell.cost
                left = (time.monotonic() - began) / spent * (total - already - spent)
                bar.update()
                bar.set_postfix_str(f"{cell.name}, about {left / 60:.0f} min left")
    if failed:
        name, error = next(iter(failed.items()))
        raise UserError(
            f"{len(failed)} of {len(cells)} cells failed, the first is {name}: {error}; its log is "
            f"{result_path(runs_dir, name).with_name('output.txt')}. The same command goes on with what is missing"
        )


def _startable(waiting, done, places):
    """Cells whose sources are done, the dearest first, so that no long one is left for the end."""
    ready = [cell for cell in waiting.values() if done.issuperset(cell.needs)]
    return sorted(ready, key=lambda cell: -_weight(cell, waiting))[:places]


def _weight(cell, waiting):
    """A cell's own cost and that of all that waits for it."""
    return cell.cost + sum(_weight(other, waiting) for other in waiting.values() if cell.name in other.needs)


def _cores(workers):
    """A core for each worker, or None for each where the system cannot tell."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    allowed = sorted(os.sched_getaffinity(0))
    return [allowed[worker % len(allowed)] for worker in range(workers)]


def _take_core(cores):
    """Pins a worker to its core before TensorFlow counts cores: all of its thread pools then have one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    core = cores.get()
    if core is not None:
        os.sched_setaffinity(0, {core})
