"""Which part of the data every worker gets, and whether there is enough for all."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.data import tfrecord
from tsd_tf.training import environment
from tsd_tf.training.cluster import Cluster


def run_of(config: Config) -> dict[str, Any]:
    """What must be the same on all workers: the configuration and the data, whichever folder it lies in."""
    described = json.loads(config.to_json())
    del described["data_dir"]
    return {**described, "data": environment.describe(config)["data"]}


def check_shards(config: Config, shards: Sequence[Sequence[str]], cluster: Cluster) -> None:
    """UserError if a worker would be left without a shard, or a replica without a clip of its own.

    A batch may be larger than the data, since clips are drawn from it endlessly.

    Args:
        config: a Config.
        shards: for each of its stages, a list of paths.
        cluster: a Cluster.
    """
    for stage, paths in zip(config.stages, shards, strict=True):
        if len(paths) < cluster.num_workers:
            raise UserError(
                f"{cluster.num_workers} workers, but only {len(paths)} {stage.split} shards in {config.data_dir}: "
                "every worker reads shards of its own. Start fewer workers, or build more shards"
            )
        mine, replicas = paths[cluster.worker :: cluster.num_workers], cluster.num_local_replicas
        if replicas > 1 and (found := sum(1 for _ in itertools.islice(_records(mine), replicas))) < replicas:
            raise UserError(
                f"{replicas} replicas, but only {found} clips in the {len(mine)} {stage.split} shards of "
                f"{config.data_dir} that they share: let fewer devices train (CUDA_VISIBLE_DEVICES), or build more data"
            )


def _records(shards: Sequence[str]) -> Iterator[Any]:
    """The places of the records of some shards, each found when it is asked for."""
    for shard in shards:
        try:
            with tf.io.gfile.GFile(shard, "rb") as file:
                yield from tfrecord.read_records(file, check_payloads=False)
        except tfrecord.DamagedRecordError as error:
            raise UserError(f"shard {shard}: {error}; build it again") from error
