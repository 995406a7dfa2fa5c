"""The paper's test: Q random clips a video, probabilities averaged (Sections 4.1 and 4.3.2)."""

import dataclasses

import numpy as np
import tensorflow as tf

from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.evaluation import metrics


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network answered for every clip of every video.

    Attributes:
        media_ids: list of num_videos strings.
        labels: (num_videos,) int32.
        probabilities: (num_videos, Q, num_classes) float32.
    """

    media_ids: list
    labels: np.ndarray
    probabilities: np.ndarray

    def summary(self, num_clips):
        """Accuracies with the first `num_clips` clips of each video, as a dict that JSON can hold."""
        averaged = self.probabilities[:, :num_clips].mean(axis=1)
        top1, error = metrics.mean_and_standard_error(metrics.top_k_correct(averaged, self.labels, 1))
        top5, _ = metrics.mean_and_standard_error(metrics.top_k_correct(averaged, self.labels, 5))
        return {
            "clips": num_clips,
            "videos": len(self.labels),
            "top1": top1,
            "top1_standard_error": error,
            "top5": top5,
        }


def predict(network, batches):
    """Runs `network` on all clips.

    Args:
        network: a FewFrameNetwork.
        batches: iterable of {"frames": uint8 (B, Q, T, h, w, 3), "label": (B,), "media_id": (B,), "seed": (B, Q, 2)}.

    Returns:
        Predictions.
    """

    @tf.function(jit_compile=False, reduce_retracing=True)
    def probabilities_of(frames, seeds):
        return tf.nn.softmax(network(to_network_input(frames), seeds=seeds, training=False))

    media_ids, labels, probabilities = [], [], []
    for batch in batches:
        frames, seeds = batch["frames"], batch["seed"]
        # One clip of every video at a time bounds the memory by the batch, whatever Q is.
        clips = [probabilities_of(frames[:, clip], seeds[:, clip]).numpy() for clip in range(frames.shape[1])]
        probabilities.append(np.stack(clips, axis=1))
        labels.append(batch["label"].numpy())
        media_ids.extend(media_id.decode() for media_id in batch["media_id"].numpy())
    return Predictions(media_ids, np.concatenate(labels), np.concatenate(probabilities))
