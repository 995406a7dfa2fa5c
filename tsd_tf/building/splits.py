"""Which split a video belongs to, where nobody has said so."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.hashing import place_of

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


def splits_by_hash(sources: Iterable[str], validate_share: float, test_share: float) -> dict[str, str]:
    """{source: split}, by the hashes of their names, so that a source stays where it is when others come or go.

    Args:
        sources: names of the videos that clips were cut from.
        validate_share, test_share: of the sources, from 0 to 1, on average; at least one source each, unless 0.

    Raises:
        UserError: the shares leave nothing to train on.
    """
    if min(validate_share, test_share) < 0 or validate_share + test_share >= 1:
        raise UserError(
            "`validate_share` and `test_share` must be at least 0 and together less than 1. "
            f"Received: validate_share={validate_share}, test_share={test_share}"
        )
    places = sorted((place_of(source), source) for source in set(sources))
    num_test = max(sum(place < test_share for place, _ in places), test_share > 0)
    num_held_out = max(sum(place < test_share + validate_share for place, _ in places), num_test + (validate_share > 0))
    if num_held_out >= len(places):
        raise UserError(
            f"{len(places)} videos are too few, none is left to train on. "
            f"Received: validate_share={validate_share}, test_share={test_share}"
        )
    return {
        source: TEST if rank < num_test else VALIDATE if rank < num_held_out else TRAIN
        for rank, (_, source) in enumerate(places)
    }


def by_split(rows: "Iterable[Row]", validate_share: float, test_share: float) -> "dict[str, list[Row]]":
    """The rows of each split that has some: as the rows say, or by the hash of their source.

    Args:
        rows: all of them say their split, or none.
        validate_share, test_share: see `splits_by_hash`.

    Raises:
        UserError: some rows say their split and some do not, or no row is left to train on.
    """
    rows = list(rows)
    stated = sum(row.split is not None for row in rows)
    if 0 < stated < len(rows):
        raise UserError(f"expected a split in every row or in none, got one in {stated} of {len(rows)}")
    hashed = {} if stated else splits_by_hash((row.source for row in rows), validate_share, test_share)
    found: dict[str, list[Row]] = {TRAIN: [], VALIDATE: [], TEST: []}
    for row in rows:
        found[row.split or hashed[row.source]].append(row)
    if not found[TRAIN]:
        raise UserError(f"expected rows of the split train, got none in {len(rows)} rows")
    return {split: members for split, members in found.items() if members}
