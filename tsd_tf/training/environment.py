"""What a run was started with: the packages' versions and the data's hashes, `environment.json` beside config.json."""

import hashlib
import json
import os
import platform
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tsd_tf
from tsd_tf.config import Config
from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote
from tsd_tf.data.shards import find_shards
from tsd_tf.video.video import decoder_versions
from tsd_tf.work_directory import WorkDirectory


def describe(config: Config) -> dict[str, dict[str, str]]:
    """The environment of a run that starts now.

    {"versions": {package: version}, "data": {split: hash}, "decoders": {split: {library: version}}}; the last is of
    what decoded the videos, where the builder's manifest tells it.

    Args:
        config: a Config; the splits are those of its stages.

    Raises:
        UserError: a split has no shards, or its manifest cannot be read.
    """
    splits = sorted({stage.split for stage in config.stages})
    return {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "tsd_tf": tsd_tf.__version__,
        },
        "data": {split: data_hash(config.data_dir, split) for split in splits},
        "decoders": {split: _decoder(config.data_dir, split) for split in splits},
    }


def data_hash(data_dir: str | os.PathLike, split: str) -> str:
    """SHA-256 of the split's manifest-<split>.json, which does not depend on the folder.

    Shards that were not made by a builder of this project have no manifest: their names and sizes are hashed instead.
    """
    if manifest := _manifest(data_dir, split):
        return hashlib.sha256(manifest).hexdigest()
    digest = hashlib.sha256()
    for shard in find_shards(data_dir, split):
        digest.update(f"{shard.rpartition('/')[2]} {tf.io.gfile.stat(shard).length}\n".encode())
    return digest.hexdigest()


def _decoder(data_dir: str, split: str) -> dict[str, str]:
    try:
        return dict(json.loads(_manifest(data_dir, split))["decoder"])
    except (ValueError, KeyError, TypeError):
        return {}


def _manifest(data_dir: str | os.PathLike, split: str) -> bytes:
    """The contents of a split's manifest; nothing where there is none."""
    data_dir = str(data_dir).rstrip("/")
    remote.prepare(data_dir)
    path = f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)}"
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except tf.errors.NotFoundError:
        return b""
    except tf.errors.OpError as error:
        raise UserError(f"cannot read {path}: {error.message}") from error


def read(work_directory: WorkDirectory) -> dict[str, dict[str, str]] | None:
    """What `environment.json` of a work directory holds, or None without one."""
    try:
        return json.loads(work_directory.environment_path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{work_directory.environment_path} cannot be read: {error}; remove that file") from error


def check(work_directory: WorkDirectory, there: dict[str, Any], here: dict[str, Any], data_dir: str) -> None:
    """Compares the environment that a run was started in with the one it is resumed in.

    Other shards are refused, since steps would see other clips. Other versions are noted.

    Args:
        work_directory: of the run.
        there, here: what `describe` said then and says now.
        data_dir: names the data in errors.

    Raises:
        UserError: the data of a split has another hash.
    """
    for split, value in here["data"].items():
        known = there["data"].get(split, value)
        if known != value:
            raise UserError(
                f"the {split} shards of {data_dir} are not those that {work_directory.path} was started with: their "
                f"manifest's hash was {known[:12]} and is {value[:12]}. Choose another `work_directory`, name the "
                f"right `data_dir`, or remove {work_directory.environment_path} to go on with these"
            )
    changed = [
        f"{name} {there['versions'].get(name)} then, {version} now"
        for name, version in here["versions"].items()
        if there["versions"].get(name) != version
    ]
    if changed:
        print(f"Note: {work_directory.path} was started with other versions: {'; '.join(changed)}")
    now = decoder_versions()
    for split, then in here["decoders"].items():
        if then and then != now:
            changed = [f"{name} {then.get(name)} then, {now[name]} now" for name in now if then.get(name) != now[name]]
            print(
                f"Note: the {split} shards of {data_dir} were decoded by other versions than a client of today has: "
                f"{'; '.join(changed)}"
            )
