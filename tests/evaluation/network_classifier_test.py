"""Replicas on logical CPU devices, in a process of its own: devices are divided before TensorFlow starts."""

import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import dataclasses
import pathlib
import sys
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 8)

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.config import Config
from tsd_tf.evaluation import protocol
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.selectors import Random

data_dir, config_path, output = sys.argv[1:]
shards = find_shards(data_dir, "test")
config = Config.from_json(pathlib.Path(config_path).read_text())

def tsd():
    return build_network(config)

def random():
    pooled = keras.Sequential([keras.layers.Conv3D(4, 3), keras.layers.GlobalMaxPool3D(), keras.layers.Dense(6)])
    network = FewFrameNetwork(Random(8, 3), pooled)
    network.build((None, 8, 64, 64, 3))
    return network

found = {}
for build, numbers, batch_sizes in ((tsd, (1, 2), (5,)), (random, (1, 2, 8), (4, 5))):
    for replicas in numbers:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(replicas)])
        keras.utils.set_random_seed(0)
        with strategy.scope():
            network = build()
        for batch_size in batch_sizes:
            clips = EvaluationClips(Records(shards), ClipSpec(8, 64, 6), num_clips=2, batch_size=batch_size, seed=3)
            predictions = protocol.predict(network, clips, strategy)
            for field in dataclasses.fields(predictions):
                key = f"{build.__name__}/{replicas}/{batch_size}/{field.name}"
                found[key] = np.asarray(getattr(predictions, field.name))
np.savez(output, **found)
"""


def test_every_video_counts_once_on_any_number_of_replicas(sample_shards, tiny_config, tmp_path):
    config = tiny_config(main_network="resnet3d_18", initializer_stddev=0.4, logit_scale=1.0)
    (tmp_path / "config.json").write_text(config.to_json())
    arguments = [str(sample_shards), str(tmp_path / "config.json"), str(tmp_path / "found.npz")]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as arrays:
        found = dict(arrays)
    for name, numbers, batch_sizes in (("tsd", (1, 2), (5,)), ("random", (1, 2, 8), (4, 5))):
        alone = {field: found[f"{name}/1/5/{field}"] for field in ("media_ids", "labels", "probabilities")}
        assert len(set(alone["media_ids"])) == len(alone["media_ids"]) == 6
        assert alone["probabilities"].shape == (6, 2, 6)
        # A wrong order, or a clip's seed gone astray, would not show otherwise.
        assert np.ptp(alone["probabilities"], axis=0).max() > 1e-3
        for replicas in numbers:
            for batch_size in batch_sizes:  # of 6 videos: 5, and then 1 on 8 replicas
                key = f"{name}/{replicas}/{batch_size}"
                assert found[f"{key}/media_ids"].tolist() == alone["media_ids"].tolist()
                assert found[f"{key}/labels"].tolist() == alone["labels"].tolist()
                np.testing.assert_allclose(found[f"{key}/probabilities"], alone["probabilities"], atol=1e-5)
