"""A Keras network under test, its batches divided over replicas."""

import numpy as np
import tensorflow as tf

from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.network import FewFrameNetwork


class NetworkClassifier:
    """Classifies clips with a FewFrameNetwork on all replicas of a strategy.

    Args:
        network: a FewFrameNetwork, built in the scope of `strategy`.
        strategy: a tf.distribute strategy of one process; None for the default one, of one replica.

    Attributes:
        network: as given.
    """

    def __init__(self, network: FewFrameNetwork, strategy: tf.distribute.Strategy | None = None) -> None:
        self.network = network
        self._strategy = strategy or tf.distribute.get_strategy()
        self._share = 0

        def replica_answer(frames, seeds):
            distilled = network.client(to_network_input(frames), seeds=seeds, training=False)
            logits = tf.cast(network.cloud(distilled, training=False), tf.float32)
            return tf.nn.softmax(logits), to_uint8(distilled)

        # XLA is several times slower for 3D convolutions on CPU, so it is never left to chance.
        @tf.function(jit_compile=False)
        def answer(frames, seeds):
            return self._strategy.run(replica_answer, args=(frames, seeds))

        self._answer = answer

    def __call__(self, frames: tf.Tensor, seeds: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Classifies clips.

        Every clip is counted once, on any number of replicas: a batch that they do not divide, or that is smaller than
        the one before, is filled up with its last clip, and the answers to these repetitions are dropped.

        Args:
            frames: uint8 (B, T, h, w, 3).
            seeds: int32 (B, 2), of selectors that draw frames at random.

        Returns:
            (probabilities, distilled frames): float32 (B, num_classes) and uint8 (B, T_s, h, w, 3).
        """
        count = len(frames)
        replicas = self._strategy.num_replicas_in_sync
        # Never smaller than before: another size would be traced anew, which takes longer than some clips too many.
        self._share = max(self._share, -(-count // replicas))
        padded = self._share * replicas
        if padded > count:
            indices = np.minimum(np.arange(padded), count - 1)
            frames, seeds = tf.gather(frames, indices), tf.gather(seeds, indices)
        answers = self._answer(self._divided(frames), self._divided(seeds))
        probabilities, distilled = (
            np.concatenate([part.numpy() for part in self._strategy.experimental_local_results(answer)])[:count]
            for answer in answers
        )
        return probabilities, distilled

    def _divided(self, values):
        def part(context):
            start = context.replica_id_in_sync_group * self._share
            return values[start : start + self._share]

        return self._strategy.experimental_distribute_values_from_function(part)
