"""What is wrong with records, and how much of it a run bears."""

import concurrent.futures
import sys

from tqdm import tqdm

from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote, tfrecord


class Damage:
    """The damaged records that a run has met so far; more than the tolerated share of them ends it.

    Args:
        shards: the paths that are read; the share is one of all their records.
        tolerated_share: from 0 (none) to 1.

    Attributes:
        records: {(number of the shard, index in it): what is wrong, a sentence that names the record}.
    """

    def __init__(self, shards, tolerated_share=0.0):
        if not 0 <= tolerated_share <= 1:
            raise UserError(f"the tolerated share of damaged records must lie in [0, 1]; {tolerated_share} came")
        self.shards = list(shards)
        self.tolerated_share = tolerated_share
        self.records = {}
        self._total = None

    @property
    def total(self):
        """Records of all shards, damaged ones included; counted when first asked for."""
        if self._total is None:
            self._total = sum(map(len, index_shards(self.shards)))
        return self._total

    def add(self, shard, index, message):
        """Takes a damaged record in, and shows it where it is a new one.

        Args:
            shard, index: numbers of the shard and of the record in it.
            message: what is wrong, a sentence that names the record.

        Raises:
            UserError: by now more than the tolerated share is damaged, or everything.
        """
        if (shard, index) in self.records:
            return
        self.records[shard, index] = message
        if len(self.records) > self.tolerated_share * self.total or len(self.records) == self.total:
            raise UserError(
                f"{message}. {self.summary()}, and a share of {self.tolerated_share:g} is tolerated "
                f"(--damaged_share); python -m tfrecords.verify {self.shards[0].rpartition('/')[0]} finds all damage"
            )
        tqdm.write(f"damaged, left out: {message}", file=sys.stderr)

    def summary(self):
        """How many records are damaged, in words."""
        return f"{len(self.records)} of {self.total} records came out damaged"


def index_shards(shards):
    """Where every record of every shard lies, found by the lengths alone, without reading what lies between.

    Args:
        shards: list of paths, local or remote.

    Returns:
        For each shard the list of (offset, length) of its records.

    Raises:
        UserError: names a shard that cannot be read, or whose records cannot be found, and the byte.
    """

    def index(shard):
        try:
            with remote.open_file(shard) as file:
                return tfrecord.index(file)
        except tfrecord.DamagedRecordError as error:
            raise UserError(
                f"shard {shard}: {error}; what follows cannot be found, so build the shard again"
            ) from error
        except remote.ERRORS as error:
            raise UserError(f"cannot read shard {shard}: {remote.reason(error)}") from error

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = pool.map(index, shards)
        # Local shards take no time; a bar is for those behind a network.
        return list(tqdm(found, total=len(shards), desc="finding records", unit="shard", delay=3, leave=False))
