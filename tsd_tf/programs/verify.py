r"""Reads shards back and tells what is wrong, and where; the exit code is 1 if anything is.

    python -m tfrecords.verify data/kinetics400 --contact_sheet=clips.png

Checks that every shard of a split exists and is as long as its manifest says, every record's checksums, keys and label,
and that every frame decodes. It takes about as long as decoding all frames on all cores.
"""

import collections
import concurrent.futures
import csv
import json
import multiprocessing
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

if TYPE_CHECKING:
    from tsd_tf.building.verification import ShardReport

_CONTACT_SHEET = flags.DEFINE_string(
    "contact_sheet", None, "picture (.png, .jpg) to write, of a few clips with their labels"
)
_CLIPS = flags.DEFINE_integer("clips", 12, "clips on the contact sheet", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", None, "worker processes (default: one per core)", lower_bound=1)

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")


@command_line.program(extra="build")
def start(argv: list[str]) -> int:
    """Prints what is wrong with a data folder; returns 1 if anything is."""
    if len(argv) != 2:
        raise UserError(f"expected one data folder, got {len(argv) - 1}: python -m tfrecords.verify DIR")
    from tsd_tf.building import verification

    data_dir = pathlib.Path(argv[1])
    splits = _find_splits(data_dir)
    class_names = _class_names(data_dir)
    shards = [name for names in splits.values() for name in names]
    reports = _read(data_dir, shards, class_names, verification.verify_shard, _PROCESSES.value or os.cpu_count() or 1)
    num_problems = 0
    for split, names in splits.items():
        found = {name: reports[name] for name in names}
        problems = [f"{name}: {problem}" for name in names for problem in found[name].problems]
        problems += _wrong_in_set(data_dir, split, found)
        for problem in problems:
            print(problem)
        sizes = [(len(report.media_ids), report.num_frames, report.num_bytes) for report in found.values()]
        records, frames, num_bytes = map(sum, zip(*sizes, strict=True))
        unlabelled = sum(report.num_unlabelled for report in found.values())
        note = f", {unlabelled} of them without a label" if unlabelled else ""
        print(
            f"{split}: {len(names)} shards, {records} records{note}, {frames} frames, {num_bytes / 1e6:.1f} MB: "
            f"{len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}"
        )
        num_problems += len(problems)
    if _CONTACT_SHEET.value:
        samples = [sample for name in shards if (sample := reports[name].sample)]
        _write_contact_sheet(_CONTACT_SHEET.value, samples[:: max(1, len(samples) // _CLIPS.value)][: _CLIPS.value])
    return 1 if num_problems else 0


def _find_splits(data_dir: pathlib.Path) -> dict[str, list[str]]:
    if not data_dir.is_dir():
        raise UserError(f"expected a folder of shards, got {data_dir}, which is no folder")
    splits: dict[str, list[str]] = {}
    for path in sorted(data_dir.iterdir()):
        if match := _SHARD.fullmatch(path.name):
            splits.setdefault(match[1], []).append(path.name)
    if not splits:
        raise UserError(f"no shards: looked for {data_dir}/<split>-00000-of-<count>")
    return splits


def _class_names(data_dir: pathlib.Path) -> list[str]:
    from tsd_tf.building import annotations
    from tsd_tf.contract import schema

    path = data_dir / schema.LABELS_FILE
    if not path.is_file():
        raise UserError(f"no class names: looked for {path}")
    return annotations.read_class_list(path)


def _read(
    data_dir: pathlib.Path,
    shards: Sequence[str],
    class_names: Sequence[str],
    verify_shard: "Callable[..., ShardReport]",
    processes: int,
) -> "dict[str, ShardReport]":
    import tqdm

    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(processes, len(shards)), context) as pool:
        pending = {pool.submit(verify_shard, str(data_dir / name), class_names): name for name in shards}
        finished = tqdm.tqdm(concurrent.futures.as_completed(pending), total=len(shards), unit="shard")
        return {pending[future]: future.result() for future in finished}


def _wrong_in_set(data_dir: pathlib.Path, split: str, reports: "Mapping[str, ShardReport]") -> Iterator[str]:
    """What does not fit between the shards of a split, and between them and the manifests."""
    from tsd_tf.contract import schema

    counts = sorted({int(name.rpartition("-")[2]) for name in reports})
    if len(counts) > 1:
        yield f"{split}: shards of several builds, of {' and of '.join(map(str, counts))} shards"
    elif missing_shards := schema.missing_shards(split, counts[0], reports.keys()):
        yield f"{split}: {missing_shards}"
    json_path = data_dir / schema.MANIFEST_JSON.format(split=split)
    csv_path = data_dir / schema.MANIFEST_CSV.format(split=split)
    try:
        promised = json.loads(json_path.read_text())["shards"]
        with open(csv_path, newline="", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        yield f"{split}: the manifest cannot be read: {error}"
        return
    except (ValueError, KeyError):
        yield f"{json_path.name} is not a manifest"
        return
    for name in sorted(promised.keys() - reports.keys()):
        yield f"{name}: {json_path.name} lists it, but it is missing"
    for name, report in reports.items():
        if name not in promised:
            yield f"{name}: {json_path.name} does not list it"
            continue
        size = (data_dir / name).stat().st_size
        if size != promised[name]["bytes"]:
            yield f"{name}: expected {promised[name]['bytes']} bytes by {json_path.name}, got {size}"
        expected = sorted(row["media_id"] for row in rows if row["shard"] == name)
        missing = _difference(expected, report.media_ids)
        unexpected = _difference(report.media_ids, expected)
        if missing:
            yield f"{name}: {len(missing)} clips of {csv_path.name} are not in it; the first is {missing[0]}"
        if unexpected:
            yield f"{name}: {len(unexpected)} clips are not in {csv_path.name}; the first is {unexpected[0]}"


def _difference(these: Sequence[str], those: Sequence[str]) -> list[str]:
    return list((collections.Counter(these) - collections.Counter(those)).elements())


def _write_contact_sheet(path: str, samples: Sequence[tuple[str, list[bytes]]]) -> None:
    from tsd_tf.building import verification
    from tsd_tf.video import pictures

    if not samples:
        raise UserError(f"no clip is whole enough for {path}")
    pictures.write(path, verification.contact_sheet(samples))
    print(f"{path}: {len(samples)} clips")


if __name__ == "__main__":
    start()
