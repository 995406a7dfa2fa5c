"""The records of some shards: where they lie, what is known of them, and how much damage a run bears."""

import concurrent.futures
import functools
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

import tensorflow as tf
from tqdm import tqdm

from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote, sequence_example, tfrecord
from tsd_tf.data.part import Part

_HEAD = 4096  # bytes of a record that nearly always hold its context


class Records:
    """The records of some shards, and what is known of them from reading.

    Sources of clips for the same classes may share it: each record is then read whole only once, for its checksum, and
    a damaged one is reported once.

    Args:
        shards: list of paths.
        damaged_share: the share of the records that may be damaged, from 0 to 1; more end the run.
        num_hosts, host: every host reads the shards whose number is `host` modulo `num_hosts`.
        part: the Part of the records that counts, as if there were no others; None for all of them.

    Attributes:
        shards, part: as given.
        numbers: which of them this host reads.
        known: {(number of the shard, index in it): what ClipReader remembers of the record}.
        damaged: {(number of the shard, index in it): what is wrong, a sentence that names the record}.

    Raises:
        UserError: fewer shards than hosts, or a share that is none.
    """

    def __init__(
        self,
        shards: Sequence[str],
        damaged_share: float = 0.0,
        num_hosts: int = 1,
        host: int = 0,
        part: Part | None = None,
    ) -> None:
        if not 0 <= damaged_share <= 1:
            raise UserError(f"`damaged_share` must lie in [0, 1]. Received: damaged_share={damaged_share}")
        if not 0 <= host < num_hosts or len(shards) < num_hosts:
            raise UserError(
                f"every host needs a shard. Received: host={host}, num_hosts={num_hosts}, and {len(shards)} shards"
            )
        self.shards = list(shards)
        self.damaged_share = damaged_share
        self.part = part
        self._kept: dict[str, list[int]] = {}
        self.numbers = list(range(host, len(shards), num_hosts))
        self.known: dict[tuple[int, int], Any] = {}
        self.damaged: dict[tuple[int, int], str] = {}

    @functools.cached_property
    def places(self) -> dict[int, list[tuple[int, int]]]:
        """{number of the shard: the (offset, length) of each of its records}, of this host's shards.

        They are found when first asked for, by the lengths alone, without reading what lies between; of a part of the
        records, by the first bytes of each.

        Raises:
            UserError: names a shard that is empty or cannot be read, or whose records cannot be found, and the byte.
        """
        shards = [self.shards[number] for number in self.numbers]
        check_sizes(shards)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            # Local shards take no time; the bar is for those behind a network.
            shown = {"desc": "finding records", "unit": "shard", "delay": 3, "leave": False}
            found = list(tqdm(pool.map(self._index, shards), total=len(shards), **shown))
        return dict(zip(self.numbers, found, strict=True))

    @property
    def total(self) -> int:
        """Records of this host's shards, damaged ones included."""
        return sum(map(len, self.places.values()))

    def _index(self, shard: str) -> list[tuple[int, int]]:
        try:
            with remote.open_file(shard) as file:
                places = tfrecord.index(file)
                if self.part is None:
                    return places
                kept = [(number, one) for number, one in enumerate(places) if self.part.has(_context(file, *one))]
                self._kept[shard] = [number for number, _ in kept]
                return [place for _, place in kept]
        except tfrecord.DamagedRecordError as error:
            raise UserError(
                f"shard {shard}: {error}; what follows cannot be found, so build the shard again"
            ) from error
        except remote.ERRORS as error:
            raise UserError(f"cannot read shard {shard}: {remote.reason(error)}") from error

    def number_in_shard(self, shard: int, index: int) -> int:
        """Which record of its shard one of `places` is, from 0; all records count."""
        return index if self.part is None else self._kept[self.shards[shard]][index]

    def add_damage(self, shard: int, index: int, message: str) -> None:
        """Takes note of a damaged record, and shows it unless it is known already.

        Args:
            shard, index: numbers of the shard and of the record in it.
            message: what is wrong, a sentence that names the record.

        Raises:
            UserError: by now more than the tolerated share is damaged, or everything.
        """
        if (shard, index) in self.damaged:
            return
        self.damaged[shard, index] = message
        count = len(self.damaged)
        if count > self.damaged_share * self.total or count == self.total:
            raise UserError(
                f"{message}. {count} of {self.total} records are damaged, and a share of {self.damaged_share:g} is "
                f"tolerated (`damaged_share`); python -m tfrecords.verify {self.shards[0].rpartition('/')[0]} finds "
                "all damage"
            )
        tqdm.write(f"damaged, left out: {message}", file=sys.stderr)


def check_sizes(shards: Sequence[str]) -> None:
    """UserError if one of the shards is empty or cannot be read."""
    for shard in shards:
        try:
            length = tf.io.gfile.stat(shard).length
        except tf.errors.OpError as error:
            raise UserError(f"cannot read shard {shard}: {error.message}") from error
        if not length:
            raise UserError(f"shard {shard} is empty, expected at least one record; build it again")


def _context(file: BinaryIO, offset: int, length: int) -> dict[str, list]:
    """The context of a record, from its first bytes; empty of one that is damaged."""
    head = tfrecord.read_part(file, offset, 0, min(length, _HEAD))
    end = min(sequence_example.context_end(head) or length, length)
    if end > len(head):
        head = tfrecord.read_part(file, offset, 0, end)
    try:
        return sequence_example.decode(head[:end])[0]
    except ValueError:
        return {}
