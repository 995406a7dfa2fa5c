"""MirroredStrategy, on logical CPU devices, in a process of its own: devices are divided before TensorFlow starts."""

import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import keras
import numpy as np
import tensorflow as tf

num_replicas = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas)
strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(num_replicas)])

from tsd_tf.config import Config
from tsd_tf.training.loss_scale import LossScale
from tsd_tf.training.stages import StageModel
from tsd_tf.training.train_step import make_train_step

rng = np.random.default_rng(0)
clips = tf.data.Dataset.from_tensor_slices({
    "frames": rng.integers(0, 256, (48, 2, 2, 2, 3)).astype("uint8"),
    "label": rng.integers(0, 3, 48).astype("int32"),
    "seed": np.zeros((48, 2), "int32"),
}).batch(16)
results = {}
for parts in (1, 2):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        inputs = keras.Input((2, 2, 2, 3))
        hidden = keras.layers.Dense(5, use_bias=False)(keras.layers.Flatten()(inputs))
        model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Activation("tanh")(hidden)))
        optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
        optimizer.build(list(model.trainable_variables))
        # Scaled in parts only, to find the plain step again without.
        loss_scale = LossScale() if parts == 2 else None
    stage = StageModel(model, 2, tuple(model.trainable_variables), (True, False, False), (1.0, 10.0, 10.0))
    config = Config(
        weight_decay=0.01, client_gradient_clip_norm=0.05, gradient_clip_norm=0.5, gradient_accumulation=parts
    )
    step = make_train_step(stage, optimizer, config, strategy, 16, loss_scale)
    steps = [step(batch) for batch in strategy.experimental_distribute_dataset(clips)]
    for name in ("loss", "accuracy", "gradient_norm"):
        results[f"{name}, {parts} parts"] = [float(values[name]) for values in steps]
    for index, variable in enumerate(model.trainable_variables):
        results[f"variable {index}, {parts} parts"] = np.asarray(variable)
np.savez(sys.argv[2], **results)
"""


def train(tmp_path, num_replicas, script=SCRIPT):
    path = tmp_path / f"{num_replicas}.npz"
    done = subprocess.run(
        [sys.executable, "-c", script, str(num_replicas), str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as arrays:
        return dict(arrays)


def test_eight_replicas_that_share_a_batch_take_the_steps_of_one(tmp_path):
    alone, together = train(tmp_path, 1), train(tmp_path, 8)
    assert len(alone["loss, 1 parts"]) == 3
    assert len(alone) == 12
    for name, value in alone.items():
        np.testing.assert_allclose(together[name], value, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(value, alone[name.replace("2 parts", "1 parts")], atol=1e-5, err_msg=name)


RATE_SCRIPT = """
import sys
import keras
import numpy as np
import tensorflow as tf

num_replicas = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas)
strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(num_replicas)])

from tests.own_parts.own_parts import Attention
from tsd_tf.config import Config, Stage
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training.rate_fit import RateFit
from tsd_tf.training.stages import stage_model
from tsd_tf.training.train_step import make_train_step

config = Config(num_distilled_frames=2, num_frames=4, crop_size=16, num_classes=3, weight_decay=0.0, rate_weight=0.5)
rng = np.random.default_rng(0)
clips = tf.data.Dataset.from_tensor_slices({
    "frames": rng.integers(0, 256, (12, 4, 16, 16, 3)).astype("uint8"),
    "label": rng.integers(0, 3, 12).astype("int32"),
    "seed": np.zeros((12, 2), "int32"),
}).batch(4)
keras.utils.set_random_seed(0)
with strategy.scope():
    main_network = keras.Sequential([keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(3)])
    network = FewFrameNetwork(Attention(4, 2), main_network)
    network.build((None, 4, 16, 16, 3))
    stage = stage_model(Stage("end", "network", 3, 0.1), network, config)
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(list(stage.variables))
    rate_fit = RateFit(network, config, num_clips=2)  # as many as each replica of two has
step = make_train_step(stage, optimizer, config, strategy, 4, rate_fit=rate_fit)
results = {}
for index, batch in enumerate(strategy.experimental_distribute_dataset(clips)):
    rate_fit.update(batch)
    results[f"step {index}"] = [float(step(batch)[name]) for name in ("loss", "rate_kb")]
    results[f"scale {index}"] = list(rate_fit.values.values())
for index, variable in enumerate(network.trainable_variables):
    results[f"variable {index}"] = np.asarray(variable)
np.savez(sys.argv[2], **results)
"""


def test_two_replicas_whose_frames_are_coded_take_the_steps_of_one(tmp_path):
    alone, together = train(tmp_path, 1, RATE_SCRIPT), train(tmp_path, 2, RATE_SCRIPT)
    assert len(alone) == 12
    assert alone["scale 2"][1] > 0
    for name, value in alone.items():
        np.testing.assert_allclose(together[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
