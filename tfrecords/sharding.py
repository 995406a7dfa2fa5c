"""Rows into shards on all cores: resumable, reproducible to the byte, and nothing dropped without a word.

A build works in `<output_dir>/.building-<split>/`. Each part of it is written by one worker process, from its first row
to its last, and renamed there once whole; a build that was killed goes on with the parts that are missing. What a part
holds depends on the rows and the settings alone, so that the result of a resumed build is that of an undisturbed one.
When all parts are there, they take their final names, and the manifest is written last.
"""

import collections
import contextlib
import csv
import dataclasses
import fcntl
import hashlib
import io
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import signal
import time

import tqdm

from tfrecords import annotations, conversion
from tsd_tf.data import schema, tfrecord
from tsd_tf.errors import UserError

_MANIFEST_COLUMNS = ("line", "media_id", "label", "label_text", "status", "reason", "num_frames", "shard", "data_path")


@dataclasses.dataclass(frozen=True)
class _Task:
    number: int  # of the row in the annotation list
    row: annotations.Row
    path: str
    data_path: str
    time_start: float
    time_end: float | None


def build(
    rows, videos_dir, output_dir, split, class_names, settings, num_shards, processes, overwrite=False, hang_seconds=600
):
    """Converts the videos of `rows` into `<output_dir>/<split>-00000-of-<num_shards>` and a manifest.

    There are fewer shards than asked for where there are fewer videos than shards, or a shard would be empty.

    Args:
        rows: list of annotations.Row.
        videos_dir: folder of the video files.
        output_dir: folder of the shards; made where it is missing.
        split: first part of the shards' names.
        class_names: written to labels.txt.
        settings: conversion.Settings.
        num_shards: shards at most.
        processes: worker processes.
        overwrite: replaces shards of this split that another build left.
        hang_seconds: a video that takes longer is given up as unreadable.

    Returns:
        {status: number of rows}, every status of conversion.STATUSES in it.

    Raises:
        UserError: no video found or readable, shards of another build in the way, a full disk.
    """
    if num_shards < 1 or processes < 1:
        raise UserError(f"--num_shards and --processes must be at least 1; {num_shards} and {processes} came")
    tasks = _find(rows, videos_dir)
    if not tasks:
        name = rows[0].path or f"{rows[0].stems[0][0]}.mp4 and the like"
        raise UserError(f"none of the {len(rows)} videos is in {videos_dir}: looked for {name} there")
    output_dir = pathlib.Path(output_dir)
    parts = [tasks[i :: min(num_shards, len(tasks))] for i in range(min(num_shards, len(tasks)))]
    plan = _fingerprint(rows, parts, class_names, settings)

    working_dir = output_dir / f".building-{split}"
    finished = _manifest(output_dir, split)
    if finished and finished["plan"] == plan and not overwrite and _shards_are_there(output_dir, finished):
        shutil.rmtree(working_dir, ignore_errors=True)
        print(f"{output_dir}: the {split} shards are already complete")
        return finished["counts"]
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        _write_labels(output_dir, class_names)
        lock = _prepare(output_dir, working_dir, split, plan, overwrite)
        try:
            _convert_parts(parts, working_dir, settings, processes, hang_seconds)
            return _finish(rows, parts, output_dir, working_dir, split, settings, plan)
        finally:
            os.close(lock)
    except OSError as error:
        raise UserError(
            f"cannot write to {output_dir}: {error}; the build can be resumed with the same command"
        ) from error


def print_counts(counts, output_dir, split):
    """Prints what became of the rows."""
    total = sum(counts.values())
    print(f"{total} rows: " + ", ".join(f"{counts[status]} {status}" for status in conversion.STATUSES))
    print(f"{pathlib.Path(output_dir) / schema.MANIFEST_CSV.format(split=split)} names each row and the reason")


def _find(rows, videos_dir):
    """The rows whose video is there, in the order in which they are stored: that of a hash, so that classes mix."""
    videos = annotations.index_videos(videos_dir)
    tasks = []
    for number, row in enumerate(rows):
        found = annotations.find_video(row, videos, videos_dir)
        if found:
            data_path, start, end = found
            tasks.append(_Task(number, row, os.path.join(videos_dir, data_path), data_path, start, end))
    return sorted(tasks, key=lambda task: hashlib.sha1(f"{task.number} {task.row.media_id}".encode()).digest())


def _fingerprint(rows, parts, class_names, settings):
    digest = hashlib.sha256(json.dumps([dataclasses.asdict(settings), class_names, len(parts)]).encode())
    for row in rows:
        digest.update(repr(row).encode())
    for part in parts:
        for task in part:
            digest.update(f"{task.number} {os.path.getsize(task.path)} {task.data_path!r}\n".encode())
    return digest.hexdigest()


def _manifest(output_dir, split):
    try:
        return json.loads((output_dir / schema.MANIFEST_JSON.format(split=split)).read_text())
    except (OSError, ValueError):
        return None


def _shards_are_there(output_dir, manifest):
    return all(
        (output_dir / name).is_file() and (output_dir / name).stat().st_size == shard["bytes"]
        for name, shard in manifest["shards"].items()
    )


def _write_labels(output_dir, class_names):
    path = output_dir / schema.LABELS_FILE
    if path.exists() and path.read_text().splitlines() != list(class_names):
        raise UserError(f"{path} holds another class list; remove it, or choose another --output_dir")
    _write(path, "".join(f"{name}\n" for name in class_names).encode())


def _prepare(output_dir, working_dir, split, plan, overwrite):
    """Makes the working folder, or finds the one that a killed build left; returns the descriptor of its lock."""
    resumes = _read(working_dir / "plan") == plan.encode() and not overwrite
    if not resumes:
        old = sorted(output_dir.glob(f"{split}-*-of-*"))
        old += [output_dir / name.format(split=split) for name in (schema.MANIFEST_CSV, schema.MANIFEST_JSON)]
        old = [path for path in old if path.exists()]
        if (old or working_dir.exists()) and not overwrite:
            raise UserError(
                f"{output_dir} holds {split} shards of another build (other rows, videos or settings): "
                f"{(old or [working_dir])[-1].name}; --overwrite replaces them"
            )
    working_dir.mkdir(exist_ok=True)
    lock = os.open(working_dir / "lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise UserError(f"another build is writing the {split} shards of {output_dir} at this moment") from error
    if not resumes:
        for path in old:
            path.unlink()
        for path in working_dir.glob("part-*"):
            path.unlink()
        _write(working_dir / "plan", plan.encode())
    for path in working_dir.glob("*.partial"):
        path.unlink()
    return lock


def _convert_parts(parts, working_dir, settings, processes, hang_seconds):
    """Runs the workers until every part is there."""
    waiting = collections.deque(i for i in range(len(parts)) if not _outcomes_path(working_dir, i).exists())
    done_before = sum(map(len, parts)) - sum(len(parts[i]) for i in waiting)
    given_up = collections.defaultdict(dict)  # part -> {position: reason}
    crashes = collections.Counter()
    workers = [_Worker() for _ in range(min(processes, len(waiting)))]
    progress = tqdm.tqdm(total=sum(map(len, parts)), initial=done_before, unit="video", smoothing=0.05)
    try:
        while waiting or any(worker.part is not None for worker in workers):
            for worker in workers:
                if waiting and worker.part is None:
                    part = waiting.popleft()
                    worker.assign(part, (working_dir, part, parts[part], settings, given_up[part]))
            busy = [worker for worker in workers if worker.part is not None]
            multiprocessing.connection.wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                before, part = worker.position, worker.part
                failure = worker.poll(hang_seconds)
                progress.update(worker.position - before)
                if failure is None:
                    continue
                # The decoder took the process down. Once may be chance (a full memory); twice is the video.
                at = part, worker.position
                crashes[at] += 1
                if crashes[at] > 1:
                    given_up[part][worker.position] = failure
                    progress.write(f"{parts[part][worker.position].data_path}: {failure}")
                progress.update(-worker.position)
                waiting.appendleft(part)
                workers[workers.index(worker)] = _Worker()
    finally:
        for worker in workers:
            worker.kill()
        progress.close()


class _Worker:
    """A process that converts one part after the other, and what is known about it."""

    def __init__(self):
        self.part, self.position = None, 0
        # Spawned, not forked: a fork of a process with threads (TensorFlow's, a test runner's) may never wake up.
        context = multiprocessing.get_context("spawn")
        self.connection, other_end = context.Pipe()
        self._process = context.Process(target=_convert_parts_as_told, args=(other_end,), daemon=True)
        self._process.start()
        other_end.close()
        self._length, self._last_sign = 0, 0.0
        try:
            self.connection.recv()  # it has imported what it needs
        except EOFError:
            self._process.join()
            raise RuntimeError(f"a worker process ended at once, exit code {self._process.exitcode}") from None

    def assign(self, part, arguments):
        self.part, self.position, self._length = part, 0, len(arguments[2])
        self._last_sign = time.monotonic()
        self.connection.send(arguments)

    def poll(self, hang_seconds):
        """Takes the news in; returns the reason where the row at `position` took the process down, else None."""
        try:
            while self.connection.poll():
                message = self.connection.recv()
                self._last_sign = time.monotonic()
                if isinstance(message, Exception):
                    raise message
                self.position = message
                if message == self._length:
                    self.part = None
                    return None
        except (EOFError, ConnectionResetError):
            self._process.join()
            return f"the decoder crashed (exit code {self._process.exitcode})"
        if time.monotonic() - self._last_sign > hang_seconds:
            self.kill()
            return f"the decoder was still busy after {hang_seconds} s"
        return None

    def kill(self):
        self._process.kill()
        self._process.join()


def _convert_parts_as_told(connection):
    """What a worker process does, until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    with contextlib.suppress(EOFError, ConnectionError):
        connection.send("ready")
        while True:
            _convert_part(connection, *connection.recv())


def _convert_part(connection, working_dir, part, tasks, settings, given_up):
    """Writes one part; tells the number of finished rows after each."""
    # Two processes may work on one part for a moment, after the first one's parent was killed: each has its own file.
    partial = working_dir / f"{_part_path(working_dir, part).name}.{os.getpid()}.partial"
    try:
        outcomes = []
        with open(partial, "wb") as file:
            for position, task in enumerate(tasks):
                if position in given_up:
                    record, outcome = None, conversion.Outcome(conversion.UNREADABLE, given_up[position], 0)
                else:
                    record, outcome = conversion.convert(
                        task.row, task.path, task.data_path, task.time_start, task.time_end, settings
                    )
                outcomes.append(outcome)
                if record is not None:
                    file.write(tfrecord.frame(record))
                if position + 1 < len(tasks):
                    connection.send(position + 1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, _part_path(working_dir, part))
        _write(_outcomes_path(working_dir, part), json.dumps([dataclasses.astuple(item) for item in outcomes]).encode())
    except ConnectionError:
        partial.unlink(missing_ok=True)  # the parent is gone; the next build starts this part again
        raise
    except OSError as error:
        partial.unlink(missing_ok=True)
        connection.send(error)
    else:
        connection.send(len(tasks))


def _finish(rows, parts, output_dir, working_dir, split, settings, plan):
    """Gives the parts their final names and writes the manifests; may itself be killed and repeated."""
    outcomes = [conversion.Outcome(conversion.MISSING, "no such video file", 0)] * len(rows)
    shard_of, path_of, records = [""] * len(rows), [""] * len(rows), {}
    for i, tasks in enumerate(parts):
        results = [conversion.Outcome(*item) for item in json.loads(_outcomes_path(working_dir, i).read_text())]
        for task, outcome in zip(tasks, results, strict=True):
            outcomes[task.number], path_of[task.number] = outcome, task.data_path
        records[i] = sum(_has_record(outcome) for outcome in results)
    full = [i for i in records if records[i]]
    names = {i: schema.SHARD_NAME.format(split=split, index=index, count=len(full)) for index, i in enumerate(full)}
    shards = {}
    for i, name in names.items():
        for task in parts[i]:
            if _has_record(outcomes[task.number]):
                shard_of[task.number] = name
        if _part_path(working_dir, i).exists():
            os.replace(_part_path(working_dir, i), output_dir / name)
        shards[name] = {"records": records[i], "bytes": (output_dir / name).stat().st_size}

    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_MANIFEST_COLUMNS)
    for row, outcome, shard, path in zip(rows, outcomes, shard_of, path_of, strict=True):
        label = "" if row.label is None else row.label
        values = (row.line, row.media_id, label, row.label_text, *dataclasses.astuple(outcome), shard, path)
        writer.writerow(values)
    csv_path = output_dir / schema.MANIFEST_CSV.format(split=split)
    _write(csv_path, table.getvalue().encode("utf-8", "surrogateescape"))
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in conversion.STATUSES}
    if not shards:
        shutil.rmtree(working_dir)
        raise UserError(f"none of the {len(rows)} videos could be read; {csv_path} has the reasons")
    manifest = {"split": split, "settings": dataclasses.asdict(settings), "plan": plan, "counts": counts}
    manifest["shards"] = shards
    _write(output_dir / schema.MANIFEST_JSON.format(split=split), (json.dumps(manifest, indent=2) + "\n").encode())
    shutil.rmtree(working_dir)
    return counts


def _has_record(outcome):
    return outcome.status in (conversion.WRITTEN, conversion.TRUNCATED)


def _part_path(working_dir, part):
    return working_dir / f"part-{part:05d}"


def _outcomes_path(working_dir, part):
    return working_dir / f"part-{part:05d}.json"


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(path, content):
    """Writes a whole file, or none: under a temporary name first."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
