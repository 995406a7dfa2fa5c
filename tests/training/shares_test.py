import types

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.data.shards import find_shards
from tsd_tf.training.shares import check_shards, run_of


def cluster(num_workers=1, worker=0, num_local_replicas=1):
    return types.SimpleNamespace(num_workers=num_workers, worker=worker, num_local_replicas=num_local_replicas)


@pytest.fixture
def shards(sample_shards, tiny_config):
    """Of both stages: two shards of six clips each."""
    return [find_shards(sample_shards, "train")] * len(tiny_config().stages)


def test_more_workers_than_shards_are_refused(tiny_config, shards):
    check_shards(tiny_config(), shards, cluster(num_workers=2, worker=1))
    with pytest.raises(UserError, match="3 workers, but only 2 train shards"):
        check_shards(tiny_config(), shards, cluster(num_workers=3))


def test_more_replicas_than_clips_are_refused(tiny_config, shards):
    check_shards(tiny_config(), shards, cluster(num_local_replicas=12))
    with pytest.raises(UserError, match="13 replicas, but only 12 clips in the 2 train shards"):
        check_shards(tiny_config(), shards, cluster(num_local_replicas=13))
    check_shards(tiny_config(), shards, cluster(num_workers=2, worker=1, num_local_replicas=6))
    with pytest.raises(UserError, match="7 replicas, but only 6 clips in the 1 train shards"):
        check_shards(tiny_config(), shards, cluster(num_workers=2, worker=1, num_local_replicas=7))


def test_workers_run_the_same_when_only_the_folder_of_the_data_differs(tiny_config, sample_shards):
    assert run_of(tiny_config()) == run_of(tiny_config(data_dir=f"{sample_shards}/"))
    assert run_of(tiny_config()) != run_of(tiny_config(seed=1))
