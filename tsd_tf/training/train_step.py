"""One optimiser step."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training.loss_scale import LossScale
from tsd_tf.training.matrix_watch import entropy_and_maximum
from tsd_tf.training.rate_fit import RateFit
from tsd_tf.training.stages import StageModel


def make_train_step(
    stage_model: StageModel,
    optimizer: keras.optimizers.Optimizer,
    config: Config,
    strategy: tf.distribute.Strategy,
    global_batch_size: int,
    loss_scale: LossScale | None = None,
    rate_fit: RateFit | None = None,
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function of one distributed batch that takes one step.

    The loss is the cross-entropy, summed over the global batch and divided by its size, plus the L2 penalty
    weight_decay / 2 * |w|^2 on kernels; so a batch that is split over replicas, or computed in parts, gives the
    gradient of the whole one. With a RateFit, the distilled frames of every other clip pass its codec, and
    rate_weight times the kilobytes of a clip joins the loss.

    Args:
        stage_model: a StageModel.
        optimizer: built for its variables, inside the strategy's scope.
        config: gives weight_decay, rate_weight, gradient_accumulation and the bounds on gradients.
        strategy: the tf.distribute strategy.
        global_batch_size: clips of all replicas together.
        loss_scale: a LossScale, or None.
        rate_fit: a RateFit for a stage that is coded, or None.

    Returns:
        batch -> {"loss", "accuracy", "gradient_norm"}, scalars; the loss is the cross-entropy alone, the norm that of
        the gradient before it is clipped. Where P is learned, "entropy" and "maximum" of it, means over the batch; with
        a RateFit, "rate_kb", the kilobytes of a clip; with a loss scale, "loss_scale" and "skipped", 1.0 where the
        gradient overflowed: the weights then stay.
    """
    replica = _Replica(
        stage_model, optimizer, config, strategy.num_replicas_in_sync, global_batch_size, loss_scale, rate_fit
    )

    def summed(values):
        return {name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in values.items()}

    # XLA is several times slower for 3D convolutions on CPU, so it is never left to chance.
    @tf.function(jit_compile=False)
    def in_one_go(frames, labels, seeds):
        return summed(strategy.run(replica.step, args=(frames, labels, seeds)))

    @tf.function(jit_compile=False)
    def zeros():
        return strategy.run(replica.zeros)

    @tf.function(jit_compile=False)
    def add_part(gradients, frames, labels, seeds, part):
        gradients, values = strategy.run(replica.add_part, args=(gradients, frames, labels, seeds, part))
        return gradients, summed(values)

    @tf.function(jit_compile=False)
    def update(gradients):
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, strategy.run(replica.update, args=(gradients,)), axis=None)

    def in_parts(frames, labels, seeds):
        gradients, parts = zeros(), []
        for part in range(config.gradient_accumulation):
            gradients, values = add_part(gradients, frames, labels, seeds, tf.constant(part))
            parts.append(values)
        values = {name: sum(float(values[name]) for values in parts) for name in parts[0]}
        overflowed = values.pop("overflows") > 0
        if loss_scale is None:
            return {**values, "gradient_norm": update(gradients)}
        scale = float(loss_scale.value)
        # At a scale as low as one it is not an overflow: the gradient itself is not finite.
        norm = update(gradients) if not overflowed else 0.0 if scale > 1.0 else float("nan")
        loss_scale.update(overflowed)
        return {**values, "gradient_norm": norm, "loss_scale": scale, "skipped": float(overflowed)}

    step = in_one_go if loss_scale is None and config.gradient_accumulation == 1 else in_parts
    return lambda batch: step(batch["frames"], batch["label"], batch["seed"])


@dataclasses.dataclass
class _Replica:
    """What one replica does in a step; everything here is called inside strategy.run."""

    stage: StageModel
    optimizer: keras.optimizers.Optimizer
    config: Config
    num_replicas: int
    global_batch_size: int
    loss_scale: LossScale | None
    rate_fit: RateFit | None

    def step(self, frames, labels, seeds):
        """The whole step; values are this replica's share of the sum over all."""
        gradients, values = self._gradients(frames, labels, seeds)
        return {**values, "gradient_norm": self.update(gradients) / self.num_replicas}

    def zeros(self):
        """Where `add_part` begins."""
        return [tf.zeros(variable.shape, variable.dtype) for variable in self.stage.variables]

    def add_part(self, gradients, frames, labels, seeds, part):
        """Adds the gradient of one part of this replica's clips; "overflows" counts values that are not finite."""
        size = tf.shape(frames)[0] // self.config.gradient_accumulation
        clips = slice(part * size, (part + 1) * size)
        more, values = self._gradients(frames[clips], labels[clips], seeds[clips])
        overflows = tf.add_n([tf.reduce_sum(tf.cast(~tf.math.is_finite(one), tf.float32)) for one in more])
        added = [one + other for one, other in zip(gradients, more, strict=True)]
        return added, {**values, "overflows": overflows}

    def _gradients(self, frames, labels, seeds):
        with tf.GradientTape() as tape:
            logits, statistics = self._forward(to_network_input(frames), seeds)
            losses = keras.losses.sparse_categorical_crossentropy(tf.maximum(labels, 0), logits, from_logits=True)
            # The label -1 is that of a damaged record's stand-in.
            loss = tf.reduce_sum(tf.where(labels < 0, 0.0, losses)) / self.global_batch_size
            scaled = loss
            if self.rate_fit is not None:
                rate = tf.reduce_sum(statistics["rate_kb"]) / self.global_batch_size
                scaled += self.config.rate_weight * rate
            if self.loss_scale is not None:
                scaled *= self.loss_scale.value
        correct = tf.cast(tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels), tf.float32)
        clips = {"accuracy": correct, **statistics}
        values = {name: tf.reduce_sum(value) / self.global_batch_size for name, value in clips.items()}
        # In a part of the user's own the loss may not depend on a variable, or only on some rows of an embedding.
        gradients = tape.gradient(scaled, self.stage.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(gradient) for gradient in gradients], {"loss": loss, **values}

    def _forward(self, frames, seeds):
        model = self.stage.model
        if not isinstance(model, FewFrameNetwork):
            return model(frames, training=True), {}
        if not model.selector.is_learned:
            return model(frames, seeds=seeds, training=True), {}
        matrix = model.transformation_matrix(frames, seeds=seeds, training=True)
        distributions = model.selector.distributions(tf.stop_gradient(matrix))
        entropy, maximum = entropy_and_maximum(distributions)
        statistics = {"entropy": entropy, "maximum": maximum}
        distilled = model.frame_distillation(frames, matrix)
        if self.rate_fit is not None:
            decoded, cost = self.rate_fit.clip_codec(distilled, matrix)
            # The main network that reads coarse frames alone forgets how to read fine ones.
            is_coded = tf.reshape(tf.range(tf.shape(decoded)[0]) % 2 == 0, (-1, 1, 1, 1, 1))
            distilled = tf.where(is_coded, decoded, distilled)
            statistics["rate_kb"] = self.rate_fit.kilobytes(cost)
        return model.cloud(distilled, training=True), statistics

    def update(self, gradients):
        """Takes the step along this replica's gradients and returns the norm of all replicas' sum."""
        config, stage = self.config, self.stage
        if self.num_replicas > 1:
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if self.loss_scale is not None:
            scale = self.loss_scale.value
            gradients = [gradient / scale for gradient in gradients]
        if config.weight_decay:
            gradients = [
                gradient + config.weight_decay * tf.convert_to_tensor(variable) if len(variable.shape) > 1 else gradient
                for gradient, variable in zip(gradients, stage.variables, strict=True)
            ]
        norm = tf.linalg.global_norm(gradients)
        if config.client_gradient_clip_norm is not None and any(stage.is_client):
            mine = [one if is_client else None for one, is_client in zip(gradients, stage.is_client, strict=True)]
            clipped, _ = tf.clip_by_global_norm(mine, config.client_gradient_clip_norm)
            gradients = [old if new is None else new for old, new in zip(gradients, clipped, strict=True)]
        if config.gradient_clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, config.gradient_clip_norm)
        gradients = [
            gradient if factor == 1.0 else gradient * factor
            for gradient, factor in zip(gradients, stage.rate_factors, strict=True)
        ]
        # The gradients are the same on all replicas by now, and the optimiser sums over the replicas once more.
        self.optimizer.apply([gradient / self.num_replicas for gradient in gradients], stage.variables)
        return norm
