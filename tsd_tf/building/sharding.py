"""Rows into shards: resumable, reproducible to the byte, and nothing dropped silently.

A build works in `<output_dir>/.building-<split>/`. A part, which becomes a shard, consists of pieces of a few rows.
Each piece is written by one worker process and takes its name once it is whole. When all pieces of a part are finished,
they are joined. A build that was killed goes on with the missing pieces. What a part holds depends on the rows and the
settings alone, so a resumed build, or one on many machines, gives the same result as an undisturbed one. When all parts
are finished, they take their final names, and the manifest is written last.
"""

import collections
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tsd_tf.building import annotations, conversion, local_run
from tsd_tf.building.candidate import Candidate
from tsd_tf.building.part import PIECE_LENGTH, Part
from tsd_tf.contract import files, schema
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting.table import Table
from tsd_tf.video import finding
from tsd_tf.video.video import decoder_versions

_MANIFEST_COLUMNS = (
    "line",
    "media_id",
    "label",
    "label_text",
    "status",
    "reason",
    "num_frames",
    "codec",
    "shard",
    "data_path",
)
_DECODER_FILE = "decoder.json"  # the versions that a build was started with


def build(
    rows: Sequence[annotations.Row],
    videos_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    split: str,
    class_names: Sequence[str],
    settings: conversion.Settings,
    num_shards: int,
    processes: int,
    overwrite: bool = False,
    hang_seconds: float = 600,
    beam_options: Sequence[str] | None = None,
) -> dict[str, int]:
    """Converts the videos of `rows` into `<output_dir>/<split>-00000-of-<num_shards>` and a manifest.

    There are fewer shards than asked for if there are fewer videos, or if a shard would be empty.

    Args:
        rows: the annotations.
        videos_dir: folder of the video files.
        output_dir: folder of the shards; made if it is missing.
        split: first part of the shards' names.
        class_names: by label; written to labels.txt.
        settings: how frames are stored.
        num_shards: how many shards, at most.
        processes: worker processes; with Beam, its runner decides.
        overwrite: whether to replace shards of this split that another build left.
        hang_seconds: a video that takes longer is given up as unreadable.
        beam_options: None to use this machine's cores; the options of an Apache Beam pipeline, as its PipelineOptions
            parses them, to use that instead.

    Returns:
        {status: number of rows}, with every status of conversion.STATUSES.

    Raises:
        UserError: no video is found or readable, a class name has a line break, shards of another build are in the
            way, the disk is full, or Beam is missing.
    """
    if num_shards < 1 or processes < 1:
        raise UserError(
            f"`num_shards` and `processes` must be at least 1. Received: num_shards={num_shards}, processes={processes}"
        )
    _check_class_names(class_names)
    if beam_options is not None:
        from tsd_tf.building import beam_run
    tasks = find(rows, videos_dir, settings.frame_folder_rate)
    if not tasks:
        name = rows[0].path or f"{rows[0].stems[0][0]}.mp4 or similar"
        raise UserError(f"none of the {len(rows)} videos is in {videos_dir}: looked for {name}")
    output_dir = pathlib.Path(output_dir)
    working_dir = output_dir / f".building-{split}"
    num_parts = min(num_shards, len(tasks))
    parts = [Part(working_dir.absolute(), i, tuple(tasks[i::num_parts]), settings) for i in range(num_parts)]
    plan = _fingerprint(rows, parts, class_names)

    finished = _manifest(output_dir, split)
    if finished.get("plan") == plan and not overwrite and _shards_are_whole(output_dir, finished):
        shutil.rmtree(working_dir, ignore_errors=True)
        print(f"{output_dir}: the {split} shards are already complete")
        _note_decoder(finished.get("decoder"))
        return finished["counts"]
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        _write_labels(output_dir, class_names)
        with _prepared(output_dir, working_dir, split, plan, overwrite):
            if beam_options is None:
                local_run.run(parts, processes, hang_seconds)
            else:
                beam_run.run(parts, os.path.abspath(videos_dir), beam_options, hang_seconds)
            return _finish(rows, parts, output_dir, split, plan)
    except OSError as error:
        raise UserError(f"cannot write to {output_dir}: {error}; the same command resumes the build") from error


def print_counts(counts: Mapping[str, int], output_dir: str | os.PathLike, split: str) -> None:
    """Prints what became of the rows."""
    total = sum(counts.values())
    print(f"{total} rows: " + ", ".join(f"{counts[status]} {status}" for status in conversion.STATUSES))
    print(f"{pathlib.Path(output_dir) / schema.MANIFEST_CSV.format(split=split)} names each row and the reason")


def find(
    rows: Sequence[annotations.Row], videos_dir: str | os.PathLike[str], frame_folder_rate: float | None = None
) -> list[conversion.Task]:
    """The rows whose video exists, in the order of their records: that of a hash, so that classes mix.

    Args:
        rows: the annotations.
        videos_dir: folder of the video files.
        frame_folder_rate: see conversion.Settings; without it, folders of pictures are no videos.

    Raises:
        UserError: there is no such folder, or it holds a row's video as a folder of pictures only, and they have no
            rate.
    """
    videos = annotations.index_videos(videos_dir)
    tasks = []
    for number, row in enumerate(rows):
        found = annotations.find_candidates(row, videos, videos_dir)
        candidates = [candidate for candidate in found if frame_folder_rate is not None or not candidate.is_folder]
        if found and not candidates:
            raise UserError(f"{found[0].path} is a folder of numbered pictures; {finding.RATE_NEEDED}")
        if candidates:
            tasks.append(conversion.Task(number, row, tuple(candidates)))
    return sorted(tasks, key=lambda task: _digest(f"{task.number} {task.row.media_id}"))


def _digest(text: str) -> bytes:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).digest()  # names of files need not be UTF-8


def _fingerprint(rows: Sequence[annotations.Row], parts: Sequence[Part], class_names: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps([dataclasses.asdict(parts[0].settings), class_names, len(parts)]).encode())
    for row in rows:
        digest.update(repr(row).encode())
    for part in parts:
        for task in part.tasks:
            for candidate in task.candidates:
                size = _size(candidate)
                digest.update(f"{task.number} {size} {candidate.data_path!r}\n".encode())
    return digest.hexdigest()


def _size(candidate: Candidate) -> str | int:
    """What tells that a file is another; of a folder the pictures' names, whose sizes would take millions of calls."""
    if candidate.is_folder:
        return repr(finding.numbered_pictures(candidate.path))
    return os.path.getsize(candidate.path)


def _manifest(output_dir: pathlib.Path, split: str) -> dict[str, Any]:
    """What an earlier build wrote; nothing where it is missing or damaged."""
    try:
        manifest = json.loads((output_dir / schema.MANIFEST_JSON.format(split=split)).read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _note_decoder(before: dict[str, str] | None) -> None:
    """Says so if what is there was decoded by other versions than today's."""
    now = decoder_versions()
    then = before or {}
    if changed := [
        f"{name} {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
        for name in (*now, *(then.keys() - now.keys()))
        if then.get(name) != now.get(name)
    ]:
        print(f"Note: what is there was decoded by other versions, which may give other pictures: {'; '.join(changed)}")


def _shards_are_whole(output_dir: pathlib.Path, manifest: Mapping[str, Any]) -> bool:
    return all(
        (output_dir / name).is_file() and (output_dir / name).stat().st_size == shard["bytes"]
        for name, shard in manifest["shards"].items()
    )


def _check_class_names(class_names: Sequence[str]) -> None:
    """UserError where a name is no line of labels.txt: not UTF-8, or several, as str.splitlines counts them."""
    for label, name in enumerate(class_names):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"expected class names in UTF-8, for {schema.LABELS_FILE}, got {name!r} for class {label}; "
                "rename its folder"
            ) from None
        if name.splitlines() != [name]:
            raise UserError(
                f"expected class names of one line each, for {schema.LABELS_FILE}, got {name!r} for class {label}; "
                "correct the annotations or the class list"
            )


def _write_labels(output_dir: pathlib.Path, class_names: Sequence[str]) -> None:
    path = output_dir / schema.LABELS_FILE
    if path.exists() and path.read_text(encoding="utf-8").splitlines() != list(class_names):
        raise UserError(f"{path} holds another class list; remove it, or choose another `output_dir`")
    files.write(path, "".join(f"{name}\n" for name in class_names))


@contextlib.contextmanager
def _prepared(
    output_dir: pathlib.Path, working_dir: pathlib.Path, split: str, plan: str, overwrite: bool
) -> Iterator[None]:
    """A context in which the working folder, a new one or that of a killed build, is locked for this build."""
    work_plan = f"{plan} in pieces of {PIECE_LENGTH}"
    plan_path = working_dir / "plan"
    resumes = plan_path.exists() and plan_path.read_text() == work_plan and not overwrite
    if not resumes:
        shards = [*sorted(output_dir.glob(f"{split}-*-of-*")), output_dir / schema.MANIFEST_JSON.format(split=split)]
        shards = [path for path in (working_dir, *shards) if path.exists()]
        if shards and not overwrite:
            raise UserError(
                f"{output_dir} holds {split} shards of another build (other rows, videos or settings): "
                f"{shards[-1].name}; `overwrite` replaces them"
            )
        # A build without a record leaves its list of reasons alone, which is in nobody's way.
        reasons = output_dir / schema.MANIFEST_CSV.format(split=split)
        old = [path for path in (*shards, reasons) if path != working_dir and path.exists()]
    working_dir.mkdir(exist_ok=True)
    with open(working_dir / "lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"another build is writing the {split} shards of {output_dir}") from error
        if not resumes:
            for path in (*old, *working_dir.glob("part-*")):
                path.unlink()
            files.write_json(working_dir / _DECODER_FILE, decoder_versions())
            files.write(plan_path, work_plan)
        else:
            _note_decoder(json.loads((working_dir / _DECODER_FILE).read_text()))
        yield


def _finish(
    rows: Sequence[annotations.Row], parts: Sequence[Part], output_dir: pathlib.Path, split: str, plan: str
) -> dict[str, int]:
    """Gives the parts their final names and writes the manifests; if it is killed, it can be repeated."""
    working_dir, settings = parts[0].working_dir, parts[0].settings
    outcomes = [conversion.Outcome(conversion.MISSING, "no such video file", 0)] * len(rows)
    shard_of = [""] * len(rows)
    for part in parts:
        for task, outcome in zip(part.tasks, part.outcomes(), strict=True):
            outcomes[task.number] = outcome
    recorded = [(part, [task.number for task in part.tasks if outcomes[task.number].has_record]) for part in parts]
    full = [(part, numbers) for part, numbers in recorded if numbers]
    shards = {}
    for index, (part, numbers) in enumerate(full):
        name = schema.SHARD_NAME.format(split=split, index=index, count=len(full))
        for number in numbers:
            shard_of[number] = name
        if part.path.exists():
            os.replace(part.path, output_dir / name)
        shards[name] = {"records": len(numbers), "bytes": (output_dir / name).stat().st_size}

    lines = [
        (
            *(row.line, row.media_id, row.label, row.label_text, outcome.status, outcome.reason, outcome.num_frames),
            *(outcome.codec, shard, outcome.data_path),
        )
        for row, outcome, shard in zip(rows, outcomes, shard_of, strict=True)
    ]
    csv_path = output_dir / schema.MANIFEST_CSV.format(split=split)
    files.write(csv_path, Table(_MANIFEST_COLUMNS, lines).csv().encode("utf-8", "surrogateescape"))
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in conversion.STATUSES}
    if not shards:
        shutil.rmtree(working_dir)
        raise UserError(f"none of the {len(rows)} videos could be read; {csv_path} lists the reasons")
    codecs = collections.Counter(outcome.codec for outcome in outcomes if outcome.has_record)
    manifest = {
        "split": split,
        "settings": dataclasses.asdict(settings),
        "decoder": json.loads((working_dir / _DECODER_FILE).read_text()),
        "codecs": dict(sorted(codecs.items())),
        "plan": plan,
        "counts": counts,
        "shards": shards,
    }
    files.write_json(output_dir / schema.MANIFEST_JSON.format(split=split), manifest)
    shutil.rmtree(working_dir)
    return counts
