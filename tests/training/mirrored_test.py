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


def train(tmp_path, num_replicas):
    path = tmp_path / f"{num_replicas}.npz"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(num_replicas), str(path)], capture_output=True, text=True, timeout=300
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
