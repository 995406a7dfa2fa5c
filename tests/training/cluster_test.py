import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.training.cluster import default_cluster, num_workers_of

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
import json
import keras
import numpy as np
import tensorflow as tf
from tsd_tf.training import replicas

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])
with strategy.scope():
    norm = keras.layers.BatchNormalization(momentum=0.5)
    model = keras.Sequential([keras.Input((1,)), norm, keras.layers.Dropout(0.5)])
    seeds = replicas.dropout_seeds(model)
statistics = replicas.moving_statistics(model)
average = replicas.make_averaging(strategy, statistics)

@tf.function
def step():
    def replica():
        number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        # Each replica sees two clips, with a mean of its number and a variance of 1.
        return model(tf.stack([[number - 1.0], [number + 1.0]]), training=True)
    return strategy.run(replica)

def held(variable):
    return [np.asarray(one).tolist() for one in strategy.experimental_local_results(variable.value)]

replicas.spread_seeds(strategy, seeds)
spread = held(seeds[0])
replicas.spread_seeds(strategy, seeds)
again = held(seeds[0])
step()
alone = [held(variable) for variable in statistics]
average()
print(json.dumps({"names": [v.name for v in statistics], "alone": alone, "average": [held(v) for v in statistics],
                  "spread": spread, "again": again, "seeds": len(seeds)}))
"""


def worker(index, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": "worker", "index": index}})


def test_workers_are_counted():
    assert num_workers_of(None) == 1
    assert num_workers_of("") == 1
    assert num_workers_of("{}") == 1
    assert num_workers_of(worker(0, worker=["a:1"])) == 1
    assert num_workers_of(worker(1, worker=["a:1", "b:1"])) == 2
    assert num_workers_of(worker(1, chief=["a:1"], worker=["b:1", "c:1"])) == 3


@pytest.mark.parametrize(
    "tf_config",
    [
        "worker 0",
        "[]",
        '{"cluster": 3}',
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        worker(2, worker=["a:1", "b:1"]),
        worker(0, worker=["a:1", "b:1"], ps=["c:1"]),
    ],
)
def test_what_tf_config_cannot_be_is_refused_before_anything_starts(tf_config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config)
    with pytest.raises(UserError, match="in TF_CONFIG"):
        default_cluster()


def test_a_process_alone_is_the_chief_of_itself(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    cluster = default_cluster()
    assert (cluster.is_chief, cluster.num_workers, cluster.num_replicas, cluster.num_local_replicas) == (True, 1, 1, 1)
    assert [value.tolist() for value in cluster.chiefs([np.arange(3), 5])] == [[0, 1, 2], 5]


def test_replicas_share_their_statistics_and_differ_in_their_seeds():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["names"] == ["moving_mean", "moving_variance"]
    assert found["alone"] == [[[0.0], [0.5], [1.0]], [[1.0], [1.0], [1.0]]]
    assert found["average"] == [[[0.5]] * 3, [[1.0]] * 3]
    assert found["seeds"] == 1
    first, *others = found["spread"]
    assert others == [[first[0] + 1, first[1]], [first[0] + 2, first[1]]]
    assert found["again"] == found["spread"]
