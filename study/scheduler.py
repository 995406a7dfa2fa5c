"""Runs each cell in a process of its own, after the cells that it starts from."""

import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
import time
from collections.abc import Iterable

from tqdm import tqdm

from study.cell import Cell
from study.run_cell import Folders, is_finished, run_cell
from tsd_tf.contract.errors import UserError


def run(cells: Iterable[Cell], folders: Folders, workers: int) -> None:
    """Runs all cells that have no result yet, and what they start from.

    Args:
        cells: whose results are wanted. What only a finished one started from is not run again.
        folders: the study's.
        workers: processes at a time, each on a core of its own. A cell with several threads uses others' cores, too.

    Raises:
        UserError: a cell failed; the cells that do not need it have run. Or a cell has a result of another recipe.
    """
    waiting = unfinished(cells, folders)
    count, planned, done, failed = len(waiting), set(waiting), set(), []
    total, spent, began = sum(cell.cost for cell in waiting.values()), 0.0, time.monotonic()
    all_cores, running = _cores(workers), {}
    cores = list(all_cores)
    try:
        with tqdm(total=count, desc="cells", unit="cell", smoothing=0) as bar:
            while waiting or running:
                for cell in _startable(waiting, planned - done, len(cores)):
                    core = cores.pop()
                    process = _start(waiting.pop(cell.name), folders, _share(core, all_cores, cell.threads))
                    running[process.sentinel] = process, cell, core
                if not running:
                    break  # all waiting cells need one that failed
                for sentinel in multiprocessing.connection.wait(list(running)):
                    process, cell, core = running.pop(sentinel)
                    process.join()
                    cores.append(core)
                    spent += cell.cost
                    if not folders.result(cell.name).exists():
                        failed.append(cell.name)
                        bar.write(f"{cell.name} failed, exit code {process.exitcode}")
                        continue
                    done.add(cell.name)
                    bar.update()
                    minutes = (time.monotonic() - began) / spent * (total - spent) / 60
                    bar.set_postfix_str(f"{cell.name}, about {minutes:.0f} min left")
    finally:
        for process, _, _ in running.values():
            process.terminate()
            process.join()
    if failed:
        log = folders.log(failed[0])
        raise UserError(
            f"{len(failed)} of {count} cells failed, the first is {failed[0]}: {_last_line(log)}. Its log is "
            f"{log}. The same command goes on with the missing cells"
        )


def unfinished(cells: Iterable[Cell], folders: Folders) -> dict[str, Cell]:
    """{name: cell} of the cells that have no result, and of what they start from, as far as that has none either."""
    found: dict[str, Cell] = {}
    for cell in cells:
        if cell.name not in found and not is_finished(cell, folders):
            found |= {**unfinished(cell.needs.values(), folders), cell.name: cell}
    return found


def _startable(waiting, missing, places):
    """Cells whose sources are done, ordered by the work that waits for them, so that none of it is left to the end."""
    ready = [cell for cell in waiting.values() if not missing.intersection(_sources(cell))]
    return sorted(ready, key=lambda cell: -_weight(cell, waiting))[:places]


def _weight(cell, waiting):
    """The cost of a cell and of all cells that wait for it."""
    return cell.cost + sum(_weight(other, waiting) for other in waiting.values() if cell.name in _sources(other))


def _sources(cell):
    return {source.name for source in cell.needs.values()}


def _share(core, all_cores, threads):
    """The cores of a cell: its worker's own, and as many others as its further threads need."""
    return [core, *(other for other in all_cores if other != core)][:threads]


def _start(cell, folders, cores):
    """Starts a process for the cell alone, because TensorFlow keeps the graphs of everything that it has trained."""
    # "spawn", because a fork of a process with threads may hang.
    process = multiprocessing.get_context("spawn").Process(target=_run_on_cores, args=(cell, folders, cores))
    process.start()
    return process


def _run_on_cores(cell, folders, cores):
    """Pins this process before TensorFlow counts cores, so that its thread pools have one thread for each of these."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if None not in cores:
        os.sched_setaffinity(0, cores)
    log = folders.log(cell.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    # A training prints to its own file, which stays open to the end. The study shows one bar for all of them.
    sys.stdout = sys.stderr = output = open(log, "a", buffering=1)  # noqa: SIM115
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_cell(cell, folders)


def _end_with_parent():
    """Ends this process when the study is killed: the next study would train the same cell beside it."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _cores(workers):
    """A core for each worker, or None for each where the system cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    allowed = sorted(os.sched_getaffinity(0))
    return [allowed[worker % len(allowed)] for worker in range(workers)]


def _last_line(log):
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it left no message"
