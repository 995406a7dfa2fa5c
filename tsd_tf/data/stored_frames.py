"""How the frames of a data folder are stored: what training, export and the client must agree with."""

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tsd_tf.contract import schema
from tsd_tf.contract.errors import UserError
from tsd_tf.data import remote, sequence_example, tfrecord
from tsd_tf.data.shards import find_shards
from tsd_tf.video import jpeg

_SHARDS_TO_ASK = 8
_RATE_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class StoredFrames:
    """What a split's shards hold.

    Attributes:
        frame_rate: frames a second; None where nothing tells it, or where records differ.
        short_side: pixels of the frames' short side; None where no frame can be read, or where records differ.
        square_pixels: whether the videos' ratio of the pixels' sides was obeyed.
    """

    frame_rate: float | None
    short_side: int | None
    square_pixels: bool = False

    def differences(self, other: "StoredFrames") -> list[str]:
        """What differs and is known on both sides, as "25 and 10 frames a second"."""
        found = []
        mine, theirs = self.frame_rate, other.frame_rate
        if mine and theirs and not math.isclose(mine, theirs, rel_tol=_RATE_TOLERANCE):
            found.append(f"{mine:g} and {theirs:g} frames a second")
        if self.short_side and other.short_side and self.short_side != other.short_side:
            found.append(f"a short side of {self.short_side} and of {other.short_side} pixels")
        if self.square_pixels != other.square_pixels:
            here, there = ("made square" if frames.square_pixels else "as stored" for frames in (self, other))
            found.append(f"pixels {here}, and {there}")
        return found


def read_stored_frames(data_dir: str | os.PathLike, split: str) -> StoredFrames:
    """The StoredFrames of a split: from its manifest, or, where a stranger wrote the shards, from the first records.

    The first record of each of up to eight shards is asked. What two of them say differently is None.

    Args:
        data_dir: folder of the shards.
        split: "train", "validate", "test", ...

    Raises:
        UserError: there are no such shards, or they cannot be read.
    """
    data_dir = str(data_dir).rstrip("/")
    shards = find_shards(data_dir, split)
    try:
        with tf.io.gfile.GFile(f"{data_dir}/{schema.MANIFEST_JSON.format(split=split)}", "rb") as file:
            settings = json.loads(file.read())["settings"]
        return StoredFrames(settings["frame_rate"], settings["short_side"], settings.get("square_pixels", False))
    except (tf.errors.OpError, ValueError, KeyError, TypeError):
        return _of_first_records(shards[:_SHARDS_TO_ASK])


def stored_frames_of(data_dir: str | os.PathLike, splits: Iterable[str]) -> StoredFrames:
    """The StoredFrames that several splits share.

    Raises:
        UserError: see `read_stored_frames`; or the splits differ.
    """
    found = {split: read_stored_frames(data_dir, split) for split in sorted(set(splits))}
    (first, stored), *others = found.items()
    for split, other in others:
        if differences := stored.differences(other):
            raise UserError(
                f"the {first} and {split} shards of {data_dir} hold {'; '.join(differences)}: build them alike"
            )
    return stored


def _of_first_records(shards: Sequence[str]) -> StoredFrames:
    found = [_of_first_record(shard) for shard in shards]
    rates = [frames.frame_rate for frames in found if frames.frame_rate]
    sides = {frames.short_side for frames in found if frames.short_side}
    agree = bool(rates) and all(math.isclose(rate, rates[0], rel_tol=_RATE_TOLERANCE) for rate in rates)
    return StoredFrames(rates[0] if agree else None, sides.pop() if len(sides) == 1 else None)


def _of_first_record(shard: str) -> StoredFrames:
    try:
        with remote.open_file(shard) as file:
            _, payload = next(tfrecord.read_records(file))
        context, lists = sequence_example.decode(payload)
    except remote.ERRORS as error:
        raise UserError(f"cannot read shard {shard}: {remote.reason(error)}") from error
    except (tfrecord.DamagedRecordError, ValueError, StopIteration):
        return StoredFrames(None, None)  # reading the clips will tell what is wrong
    try:
        short_side = min(jpeg.size(lists[schema.IMAGE_ENCODED][0][0]))
    except (ValueError, LookupError, TypeError):
        short_side = None
    return StoredFrames(_frame_rate(context, lists.get(schema.IMAGE_TIMESTAMP, [])), short_side)


def _frame_rate(context: dict[str, list[Any]], times: list[list[Any]]) -> float | None:
    """DMVR's and MediaPipe's own writers leave the rate to the timestamps."""
    stated = context.get(schema.IMAGE_FRAME_RATE, [])
    if len(stated) == 1 and isinstance(stated[0], (int, float)) and 0 < stated[0] < math.inf:
        return round(float(stated[0]), 3)
    microseconds = [time[0] for time in times if len(time) == 1 and isinstance(time[0], int)]
    step = float(np.median(np.diff(microseconds))) if len(microseconds) > 1 else 0.0
    return round(1e6 / step, 3) if step > 0 else None
