"""The shards and the class list of a data folder."""

import json
import os
import re
from collections.abc import Sequence

import tensorflow as tf

from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote
from tsd_tf.data.records import check_sizes


def find_shards(data_dir: str | os.PathLike, split: str) -> list[str]:
    """The shards of a split, in order.

    Args:
        data_dir: folder that a builder filled: local, s3:// or http(s)://.
        split: "train", "validate", "test", ...

    Returns:
        List of paths.

    Raises:
        UserError: there are none, some are missing, or one is empty.
    """
    data_dir = str(data_dir).rstrip("/")
    pattern = re.compile(re.escape(split) + r"-(\d{5})-of-(\d{5})")
    remote.prepare(data_dir)
    try:
        names = _list(data_dir, split)
    except tf.errors.OpError as error:
        raise UserError(f"cannot list the {split} shards of {data_dir}: {error.message}") from error
    found = [match for name in sorted(names) if (match := pattern.fullmatch(name.rstrip("/")))]
    if not found:
        raise UserError(
            f"no {split} shards: looked for {data_dir}/{split}-00000-of-*; python -m {_builder(data_dir)} makes them"
        )
    counts = sorted({int(match[2]) for match in found})
    if len(counts) > 1:
        raise UserError(
            f"{data_dir} mixes {split} shards of several builds, of {' and of '.join(map(str, counts))} shards: remove "
            "those of all builds but one, or build the split again"
        )
    missing = schema.missing_shards(split, counts[0], {match[0] for match in found})
    if missing:
        raise UserError(f"{data_dir}: {missing}")
    shards = [f"{data_dir}/{match[0]}" for match in found]
    check_sizes(shards)
    return shards


def read_labels(data_dir: str | os.PathLike) -> list[str]:
    """Class names of a data folder, by label index; UserError where there is no list."""
    path = f"{str(data_dir).rstrip('/')}/{schema.LABELS_FILE}"
    remote.prepare(data_dir)
    try:
        with tf.io.gfile.GFile(path) as file:
            return file.read().splitlines()
    except tf.errors.OpError as error:
        raise UserError(
            f"no class names: looked for {path}; python -m {_builder(str(data_dir))} writes them"
        ) from error


def labels_difference(there: Sequence[str], here: Sequence[str]) -> str:
    """The first label that two lists of class names do not agree on, in words; "" if there is none."""
    pairs = enumerate(zip(there, here, strict=False))
    return next((f"label {n} is {one!r} there and {other!r} here" for n, (one, other) in pairs if one != other), "")


def _list(data_dir: str, split: str) -> list[str]:
    if remote.scheme_of(data_dir) not in ("http", "https"):
        return tf.io.gfile.listdir(data_dir) if tf.io.gfile.isdir(data_dir) else []
    # A web server does not list its folders: the manifest does.
    try:
        with tf.io.gfile.GFile(f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)}") as file:
            return list(json.loads(file.read())["shards"])
    except tf.errors.NotFoundError:
        return []
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)} is not the manifest of a builder"
        ) from error


def _builder(data_dir: str) -> str:
    for name in ("ucf101", "sample", "custom"):
        if name in data_dir:
            return f"tfrecords.build_{name}"
    return "tfrecords.build_kinetics"
