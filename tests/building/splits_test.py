import collections

import pytest

from tsd_tf.building import splits
from tsd_tf.contract.errors import UserError


def test_shares_are_about_as_asked_and_nothing_moves_when_videos_come():
    found = {str(i): splits.split_by_hash(str(i), 0.1, 0.2) for i in range(5000)}
    counts = collections.Counter(found.values())
    assert counts["test"] == pytest.approx(1000, abs=100)
    assert counts["validate"] == pytest.approx(500, abs=75)
    larger = {str(i): splits.split_by_hash(str(i), 0.1, 0.3) for i in range(5000)}
    assert all(larger[name] == "test" for name, split in found.items() if split == "test")


def test_no_share_no_split():
    assert {splits.split_by_hash(str(i), 0.0, 0.0) for i in range(100)} == {"train"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_shares_that_leave_nothing_to_train_on(shares):
    with pytest.raises(UserError, match="together less than 1"):
        splits.split_by_hash("a", *shares)


def test_what_data_sets_call_them():
    assert [splits.split_named(name) for name in ("train", "Val", "validation", " TEST ", "Archery")] == [
        "train",
        "validate",
        "validate",
        "test",
        None,
    ]


def test_classes_that_a_split_lacks():
    assert splits.classes_without([0, 2, 2, None], ["a", "b", "c"]) == ["b"]
