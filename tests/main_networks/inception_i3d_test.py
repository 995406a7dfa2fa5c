import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.main_networks import InceptionI3D

pytestmark = pytest.mark.slow

TINY = {"width": 0.05, "dropout_rate": 0.0}


def clip(seed, num_frames, size):
    return np.random.default_rng(seed).uniform(-1, 1, (1, num_frames, size, size, 3)).astype("float32")


@pytest.mark.parametrize(
    ("num_classes", "trainable", "every"), [(400, 12_689_984, 12_704_544), (101, 12_383_509, 12_398_069)]
)
def test_parameter_counts(num_classes, trainable, every):
    model = InceptionI3D(num_classes)
    model.build((None, 10, 224, 224, 3))
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == trainable
    assert model.count_params() == every
    assert len(model.weights) == 230


@pytest.mark.parametrize(("num_frames", "steps_left"), [(5, 1), (10, 2), (20, 3), (40, 5)])
def test_endpoint_shapes(num_frames, steps_left):
    model = InceptionI3D(7, **TINY)
    endpoints = model.endpoints(clip(0, num_frames, 32))
    shapes = {name: tuple(value.shape) for name, value in endpoints.items()}
    half = -(-num_frames // 2)
    assert list(shapes) == [
        *("Conv3d_1a_7x7", "MaxPool3d_2a_3x3", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "MaxPool3d_3a_3x3"),
        *("Mixed_3b", "Mixed_3c", "MaxPool3d_4a_3x3", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"),
        *("MaxPool3d_5a_2x2", "Mixed_5b", "Mixed_5c", "Logits"),
    ]
    assert shapes["Conv3d_1a_7x7"] == (1, half, 16, 16, 3)
    assert shapes["MaxPool3d_3a_3x3"][:4] == (1, half, 4, 4)
    assert shapes["Mixed_4f"][:4] == (1, -(-half // 2), 2, 2)
    assert shapes["Mixed_5c"][:4] == (1, steps_left, 1, 1)
    assert shapes["Logits"] == (1, 7)


def test_logits_are_the_mean_over_time_of_pooled_convolutions():
    """The head as DeepMind writes it: average pool (2, 7, 7) VALID, 1x1x1 convolution with bias, mean over time."""
    model = InceptionI3D(5, **TINY)
    endpoints = model.endpoints(clip(1, 20, 224))
    features = ops.convert_to_numpy(endpoints["Mixed_5c"])
    assert features.shape[1:4] == (3, 7, 7)
    windows = [features[:, start : start + 2].mean(axis=(1, 2, 3)) for start in (0, 1)]
    kernel, bias = map(ops.convert_to_numpy, (model.logits.kernel, model.logits.bias))
    expected = np.mean([window @ kernel + bias for window in windows], axis=0)
    np.testing.assert_allclose(ops.convert_to_numpy(endpoints["Logits"]), expected, rtol=1e-4, atol=1e-5)


TRAIN_ON_FIVE_FRAMES = """
import keras
import numpy as np
from tsd_tf.main_networks import InceptionI3D

model = InceptionI3D(4, width=0.05, dropout_rate=0.0)
eager = keras.backend.backend() == "tensorflow"
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=eager)
clip = np.random.default_rng(0).uniform(-1, 1, (2, 5, 64, 64, 3)).astype("float32")
model.build(clip.shape)
before = np.array(model.blocks[0].conv_3d.kernel)
loss = model.train_on_batch(clip, np.array([1, 2]))
print("trained", np.isfinite(loss), np.abs(np.array(model.blocks[0].conv_3d.kernel) - before).max() > 0)
"""


def test_five_frames_train():
    """In a process of its own: where this fails, TensorFlow does not raise but ends the process."""
    result = subprocess.run([sys.executable, "-c", TRAIN_ON_FIVE_FRAMES], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.split() == ["trained", "True", "True"]


def test_save_and_load(tmp_path):
    model = InceptionI3D(5, **TINY, batch_norm_momentum=0.9)
    frames = clip(2, 4, 32)
    expected = ops.convert_to_numpy(model(frames))
    path = str(tmp_path / "model.keras")
    model.save(path)
    again = keras.saving.load_model(path)
    assert again.get_config() == model.get_config()
    np.testing.assert_allclose(ops.convert_to_numpy(again(frames)), expected, atol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="`num_classes` must be at least 1. Received: num_classes=0"):
        InceptionI3D(0)
    with pytest.raises(ValueError, match=r"expects frames of a known shape .* Received: .*\(None, 4, 32, 32, 1\)"):
        InceptionI3D(2, **TINY).build((None, 4, 32, 32, 1))
