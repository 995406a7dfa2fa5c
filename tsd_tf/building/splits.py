"""Which split a video belongs to, where nobody has said so."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tsd_tf.contract.errors import UserError

if TYPE_CHECKING:
    from tsd_tf.building.annotations import Row

TRAIN, VALIDATE, TEST = "train", "validate", "test"
# What data sets call them.
_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validate", "val", "valid", "validation", "dev"), VALIDATE),
    **dict.fromkeys(("test", "testing"), TEST),
}


def split_named(name: str) -> str | None:
    """The split that a folder's or a column's name stands for, in any case of letters, or None."""
    return _NAMES.get(name.strip().lower())


def split_by_hash(source: str, validate_share: float, test_share: float) -> str:
    """The split of a source video: a pure function of its name, so that other videos that come or go change nothing.

    Args:
        source: names the video that the clip was cut from; all of its clips get the same split.
        validate_share, test_share: of the source videos, from 0 to 1, on average.

    Raises:
        UserError: the shares leave nothing to train on.
    """
    if min(validate_share, test_share) < 0 or validate_share + test_share >= 1:
        raise UserError(
            "`validate_share` and `test_share` must be at least 0 and together less than 1. "
            f"Received: validate_share={validate_share}, test_share={test_share}"
        )
    digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test_share:
        return TEST
    return VALIDATE if place < test_share + validate_share else TRAIN


def by_split(rows: "Iterable[Row]", validate_share: float, test_share: float) -> "dict[str, list[Row]]":
    """The rows of each split that has some: as the rows say, or by the hash of their source.

    Args:
        rows: all of them say their split, or none.
        validate_share, test_share: see `split_by_hash`.

    Raises:
        UserError: some rows say their split and some do not, or no row is left to train on.
    """
    rows = list(rows)
    stated = sum(row.split is not None for row in rows)
    if 0 < stated < len(rows):
        raise UserError(f"expected a split in every row or in none, got one in {stated} of {len(rows)}")
    found: dict[str, list[Row]] = {TRAIN: [], VALIDATE: [], TEST: []}
    for row in rows:
        found[row.split or split_by_hash(row.source, validate_share, test_share)].append(row)
    if not found[TRAIN]:
        raise UserError(f"none of the {len(rows)} rows is for training: give more videos, or smaller shares")
    return {split: members for split, members in found.items() if members}
