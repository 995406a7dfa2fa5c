import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.training.loss_scale import LossScale
from tsd_tf.training.stages import StageModel
from tsd_tf.training.train_step import make_train_step

BATCH, CLASSES, PIXELS = 4, 3, 2 * 2 * 2 * 3


class LinearNetwork:
    """frames -> `client` matrix -> `last` matrix and bias: its gradient is written down in NumPy below."""

    def __init__(self, last_layer_factor=1.0):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((2, 2, 2, 3))
        hidden = keras.layers.Dense(5, use_bias=False, name="client")(keras.layers.Flatten()(inputs))
        model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="last")(hidden))
        self.stage = StageModel(
            model, 2, tuple(model.trainable_variables), (True, False, False), (1.0,) + (last_layer_factor,) * 2
        )
        rng = np.random.default_rng(0)
        self.frames = rng.integers(0, 256, (BATCH, 2, 2, 2, 3)).astype("uint8")
        self.labels = rng.integers(0, CLASSES, BATCH).astype("int32")

    def weights(self):
        return [np.asarray(variable, "float64") for variable in self.stage.variables]

    def gradients(self):
        """Of the clips' cross-entropy, summed and divided by BATCH; its mean over the clips, and the accuracy."""
        client, last, bias = self.weights()
        x = self.frames.reshape(-1, PIXELS) / 127.5 - 1
        logits = x @ client @ last + bias
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        delta = (probabilities - np.eye(CLASSES)[self.labels]) / BATCH
        loss = -np.mean(np.log(probabilities[np.arange(len(self.labels)), self.labels]))
        accuracy = np.mean(logits.argmax(1) == self.labels)
        return [x.T @ (delta @ last.T), (x @ client).T @ delta, delta.sum(0)], loss, accuracy

    def step(self, config, rate=0.5, loss_scale=None):
        optimizer = keras.optimizers.SGD(rate)
        optimizer.build(list(self.stage.variables))
        before = self.weights()
        train_step = make_train_step(self.stage, optimizer, config, tf.distribute.get_strategy(), BATCH, loss_scale)
        seeds = tf.zeros((BATCH, 2), tf.int32)
        metrics = train_step({"frames": tf.constant(self.frames), "label": tf.constant(self.labels), "seed": seeds})
        moves = [(old - new) / rate for old, new in zip(before, self.weights(), strict=True)]
        return moves, {name: float(value) for name, value in metrics.items()}


def assert_equal(moves, expected):
    for move, value in zip(moves, expected, strict=True):
        np.testing.assert_allclose(move, value, atol=1e-5)


def test_a_step_moves_by_the_gradient_of_the_mean_cross_entropy():
    network = LinearNetwork()
    expected, loss, accuracy = network.gradients()
    moves, metrics = network.step(Config(weight_decay=0.0))
    assert_equal(moves, expected)
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_clip_without_a_label_moves_nothing(parts):
    network, others = LinearNetwork(), LinearNetwork()
    others.frames, others.labels = network.frames[[0, 2, 3]], network.labels[[0, 2, 3]]
    expected, loss, accuracy = others.gradients()
    network.labels[1] = -1
    moves, metrics = network.step(Config(weight_decay=0.0, gradient_accumulation=parts))
    assert_equal(moves, expected)
    assert accuracy > 0
    # Still divided by the clips of the batch.
    assert metrics["loss"] == pytest.approx(loss * 3 / 4, rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(accuracy * 3 / 4)


def test_weight_decay_pulls_kernels_and_leaves_biases():
    network = LinearNetwork()
    (client, last, bias), loss, _ = network.gradients()
    weights = network.weights()
    moves, metrics = network.step(Config(weight_decay=0.5))
    assert_equal(moves, [client + 0.5 * weights[0], last + 0.5 * weights[1], bias])
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)


def test_clipping_bounds_the_clients_gradient_alone():
    network = LinearNetwork()
    (client, last, bias), *_ = network.gradients()
    norm = np.linalg.norm(client)
    moves, _ = network.step(Config(weight_decay=0.0, client_gradient_clip_norm=norm / 4))
    assert_equal(moves, [client / 4, last, bias])


def test_a_gradient_below_the_bound_is_not_stretched():
    network = LinearNetwork()
    expected, *_ = network.gradients()
    moves, _ = network.step(Config(weight_decay=0.0, client_gradient_clip_norm=1e3))
    assert_equal(moves, expected)


def test_the_last_layer_moves_ten_times_as_far():
    network = LinearNetwork(last_layer_factor=10.0)
    (client, last, bias), *_ = network.gradients()
    moves, _ = network.step(Config(weight_decay=0.0))
    assert_equal(moves, [client, 10 * last, 10 * bias])


def test_a_bound_on_all_gradients_scales_them_together():
    network = LinearNetwork()
    expected, *_ = network.gradients()
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in expected))
    moves, metrics = network.step(Config(weight_decay=0.0, gradient_clip_norm=norm / 4))
    assert_equal(moves, [gradient / 4 for gradient in expected])
    assert metrics["gradient_norm"] == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("changes", [{}, {"client_gradient_clip_norm": 0.05, "weight_decay": 0.5}])
def test_a_batch_in_parts_takes_the_step_of_the_whole(changes):
    whole, parts = LinearNetwork(last_layer_factor=10.0), LinearNetwork(last_layer_factor=10.0)
    config = Config(**changes)
    in_parts = dataclasses.replace(config, gradient_accumulation=BATCH // 2)
    for _ in range(3):
        _, expected = whole.step(config)
        _, metrics = parts.step(in_parts)
        assert metrics == pytest.approx(expected, rel=1e-5)
    assert_equal(parts.weights(), whole.weights())


def test_loss_scaling_changes_no_step():
    network = LinearNetwork()
    expected, loss, _ = network.gradients()
    moves, metrics = network.step(Config(weight_decay=0.0), loss_scale=LossScale(1024.0, growth_steps=1))
    assert_equal(moves, expected)
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert (metrics["loss_scale"], metrics["skipped"]) == (1024.0, 0.0)


@pytest.mark.parametrize("parts", [1, 2])
def test_an_overflow_skips_the_step_and_halves_the_scale(parts):
    network = LinearNetwork()
    last = network.stage.variables[1]
    last.assign(last * 30)  # the client's gradient, times a scale of float32's last exponent, overflows
    loss_scale = LossScale(2.0**127)
    moves, metrics = network.step(Config(gradient_accumulation=parts), loss_scale=loss_scale)
    assert not any(move.any() for move in moves)
    assert (metrics["skipped"], metrics["gradient_norm"], float(loss_scale.scale)) == (1.0, 0.0, 2.0**126)
    assert np.isfinite(metrics["loss"])
    loss_scale.scale.assign(1024.0)
    moves, metrics = network.step(Config(gradient_accumulation=parts), loss_scale=loss_scale)
    assert all(move.any() for move in moves)
    assert metrics["skipped"] == 0.0


def test_a_gradient_that_is_not_finite_at_any_scale_is_no_overflow():
    network = LinearNetwork()
    network.stage.variables[0].assign(network.stage.variables[0] * np.nan)
    _, metrics = network.step(Config(), loss_scale=LossScale(1.0))
    assert np.isnan(metrics["gradient_norm"])
