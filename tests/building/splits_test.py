import collections

import pytest

from tsd_tf.building import splits
from tsd_tf.building.annotations import Row
from tsd_tf.contract.errors import UserError


def test_shares_are_about_as_asked_and_nothing_moves_when_videos_come():
    found = splits.splits_by_hash(map(str, range(5000)), 0.1, 0.2)
    counts = collections.Counter(found.values())
    assert counts["test"] == pytest.approx(1000, abs=100)
    assert counts["validate"] == pytest.approx(500, abs=75)
    fewer = splits.splits_by_hash(map(str, range(500)), 0.1, 0.2)
    assert all(found[source] == split for source, split in fewer.items())


def test_few_videos_have_one_on_each_side():
    for seed in range(50):
        sources = [f"{seed}/{i}" for i in range(4)]
        assert set(splits.splits_by_hash(sources, 0.01, 0.01).values()) == {"train", "validate", "test"}


def test_no_share_no_split():
    assert set(splits.splits_by_hash("abc", 0.0, 0.0).values()) == {"train"}
    assert sorted(splits.splits_by_hash("abc", 0.0, 0.01).values()) == ["test", "train", "train"]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_shares_that_leave_nothing_to_train_on(shares):
    with pytest.raises(UserError, match="together less than 1"):
        splits.splits_by_hash("a", *shares)
    with pytest.raises(UserError, match="2 videos are too few"):
        splits.splits_by_hash("ab", 0.1, 0.1)


def test_what_data_sets_call_them():
    assert [splits.split_named(name) for name in ("train", "Val", "validation", " TEST ", "Archery")] == [
        "train",
        "validate",
        "validate",
        "test",
        None,
    ]


def _row(source, split=None):
    return Row(1, source, 0, "a", 0.0, None, path=source, source=source, split=split)


def test_rows_that_say_their_split():
    rows = [_row("1", "train"), _row("2", "test"), _row("3", "train")]
    assert splits.by_split(rows, 0.1, 0.1) == {"train": [rows[0], rows[2]], "test": [rows[1]]}
    with pytest.raises(UserError, match="in every row or in none, got one in 1 of 2"):
        splits.by_split([_row("1", "train"), _row("2")], 0.1, 0.1)


def test_clips_of_one_source_stay_together():
    rows = [_row(str(i // 4)) for i in range(400)]
    found = splits.by_split(rows, 0.2, 0.2)
    sources = [{row.source for row in members} for members in found.values()]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 100
    assert sum(map(len, found.values())) == 400


def test_nothing_to_train_on():
    with pytest.raises(UserError, match="rows of the split train, got none in 1 rows"):
        splits.by_split([_row("1", "test")], 0.1, 0.1)
