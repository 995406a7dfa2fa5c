"""One optimiser step."""

import keras
import tensorflow as tf

from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.network import FewFrameNetwork


def make_train_step(stage_model, optimizer, config, strategy, global_batch_size):
    """A function of one distributed batch that takes one step.

    The loss is the cross-entropy, summed over the global batch and divided by its size, plus the L2 penalty
    weight_decay / 2 * |w|^2 on kernels; so a batch split over replicas gives the gradient of the whole one.

    Args:
        stage_model: a StageModel.
        optimizer: built for its variables, inside the strategy's scope.
        config: gives weight_decay and client_gradient_clip_norm.
        strategy: the tf.distribute strategy.
        global_batch_size: clips of all replicas together.

    Returns:
        batch -> {"loss", "accuracy"}, float32 scalars; the loss is the cross-entropy alone.
    """
    variables = stage_model.variables
    decayed = [len(variable.shape) > 1 for variable in variables]
    num_replicas = strategy.num_replicas_in_sync

    draws_frames = isinstance(stage_model.model, FewFrameNetwork)

    def replica_step(frames, labels, seeds):
        seeds = {"seeds": seeds} if draws_frames else {}
        with tf.GradientTape() as tape:
            logits = stage_model.model(to_network_input(frames), training=True, **seeds)
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            loss = tf.reduce_sum(losses) / global_batch_size
        gradients = tape.gradient(loss, variables)
        if num_replicas > 1:
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if config.weight_decay:
            gradients = [
                gradient + config.weight_decay * tf.convert_to_tensor(variable) if decay else gradient
                for gradient, variable, decay in zip(gradients, variables, decayed, strict=True)
            ]
        if config.client_gradient_clip_norm is not None:
            gradients = _clip(gradients, stage_model.is_client, config.client_gradient_clip_norm)
        gradients = [
            gradient if factor == 1.0 else gradient * factor
            for gradient, factor in zip(gradients, stage_model.rate_factors, strict=True)
        ]
        # The optimiser sums over the replicas once more, over gradients that are the same on all of them by now.
        optimizer.apply([gradient / num_replicas for gradient in gradients], variables)
        correct = tf.cast(tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels), tf.float32)
        return loss, tf.reduce_sum(correct) / global_batch_size

    # XLA is several times slower for 3D convolutions on CPU, so it is never left to chance.
    @tf.function(jit_compile=False)
    def train_step(frames, labels, seeds):
        loss, accuracy = strategy.run(replica_step, args=(frames, labels, seeds))
        return {
            "loss": strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None),
            "accuracy": strategy.reduce(tf.distribute.ReduceOp.SUM, accuracy, axis=None),
        }

    return lambda batch: train_step(batch["frames"], batch["label"], batch["seed"])


def _clip(gradients, chosen, norm):
    """Scales the chosen gradients together to at most `norm`; leaves the others."""
    picked = [gradient for gradient, choose in zip(gradients, chosen, strict=True) if choose]
    if not picked:
        return gradients
    clipped = iter(tf.clip_by_global_norm(picked, norm)[0])
    return [next(clipped) if choose else gradient for gradient, choose in zip(gradients, chosen, strict=True)]
