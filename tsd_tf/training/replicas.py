"""What every replica holds a copy of besides the weights: statistics of batch norm, and the seeds of dropout."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf


def moving_statistics(model: keras.Model) -> list[keras.Variable]:
    """The moving means and variances that training `model` changes: those of batch norm that is not frozen."""
    return [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built and layer.trainable
        for variable in (layer.moving_mean, layer.moving_variance)
    ]


def dropout_seeds(model: keras.Model) -> list[keras.Variable]:
    """The variables that dropout counts up; they are no weights, and a weights file leaves them out."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def make_averaging(strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]) -> Callable[[], None]:
    """A function that gives all replicas the mean of their values of some variables.

    Without it each replica would keep the statistics of its own clips, and a checkpoint those of the first replica: a
    resumed run would not go on as the interrupted one, and the weights would not depend on all clips.

    Args:
        strategy: the tf.distribute strategy.
        variables: Keras variables made in its scope.
    """

    def replica():
        values = [tf.identity(variable.value) for variable in variables]
        means = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(mean)

    @tf.function(jit_compile=False, autograph=False)
    def average():
        strategy.run(replica)

    return average if strategy.num_replicas_in_sync > 1 and variables else lambda: None


def spread_seeds(strategy: tf.distribute.Strategy, seeds: Sequence[keras.Variable]) -> None:
    """Gives each replica dropout of its own: seeds of the first replica (of the chief), plus the replica's number.

    Args:
        strategy: the tf.distribute strategy.
        seeds: what `dropout_seeds` found, equal on all workers.
    """
    if strategy.num_replicas_in_sync == 1 or not seeds:
        return
    for seed in seeds:
        seed.assign(np.asarray(seed))

    def replica():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        for seed in seeds:
            seed.assign(tf.identity(seed.value) + tf.cast(tf.stack([number, 0]), seed.value.dtype))

    tf.function(lambda: strategy.run(replica), jit_compile=False, autograph=False)()
