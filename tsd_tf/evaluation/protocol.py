"""The paper's test: Q random clips a video, probabilities averaged (Sections 4.1 and 4.3.2)."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tsd_tf.contract.errors import UserError
from tsd_tf.evaluation import metrics
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.evaluation.transmission_meter import TransmissionMeter
from tsd_tf.network import FewFrameNetwork


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network answered for every clip of every video.

    Attributes:
        media_ids: list of num_videos strings.
        labels: (num_videos,) int32.
        probabilities: (num_videos, Q, num_classes) float32; of ExportedHalves (num_videos, Q, codings, num_classes),
            of which `of_coding` makes this.
    """

    media_ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray

    def of_coding(self, number: int) -> "Predictions":
        """Of the answers of ExportedHalves those to its `number`-th coding."""
        return dataclasses.replace(self, probabilities=self.probabilities[:, :, number])

    def averaged(self, num_clips: int) -> np.ndarray:
        """The mean over the first `num_clips` clips of each video: (num_videos, num_classes) float32."""
        return self.probabilities[:, :num_clips].mean(axis=1)

    def summary(self, num_clips: int) -> dict[str, Any]:
        """Accuracies with the first `num_clips` clips of each video, as a dict that JSON can hold.

        `mean_class_accuracy` is the mean over classes that have a video.
        """
        averaged = self.averaged(num_clips)
        top1, top1_error = metrics.mean_and_standard_error(metrics.top_k_correct(averaged, self.labels, 1))
        top5, top5_error = metrics.mean_and_standard_error(metrics.top_k_correct(averaged, self.labels, 5))
        per_class = metrics.per_class_accuracy(averaged, self.labels, averaged.shape[1])
        return {
            "clips": num_clips,
            "videos": len(self.labels),
            "top1": top1,
            "top1_standard_error": top1_error,
            "top5": top5,
            "top5_standard_error": top5_error,
            "mean_class_accuracy": float(np.nanmean(per_class)),
        }


def predict(
    network: FewFrameNetwork, batches: Iterable[dict[str, tf.Tensor]], strategy: tf.distribute.Strategy | None = None
) -> Predictions:
    """`collect` of a FewFrameNetwork: built in the scope of `strategy`, where one is given."""
    return collect(NetworkClassifier(network, strategy), batches)


def shown(batches: Iterable[dict[str, Any]], bar: tqdm) -> Iterator[dict[str, Any]]:
    """The same batches; the progress bar counts the videos of each when the next one is asked for."""
    for batch in batches:
        yield batch
        bar.update(len(batch["label"]))


def collect(
    classify: Callable[[tf.Tensor, tf.Tensor], tuple[np.ndarray, np.ndarray]],
    batches: Iterable[dict[str, tf.Tensor]],
    transmission: TransmissionMeter | None = None,
    with_mirrors: bool = False,
) -> Predictions:
    """Classifies all clips; the probabilities of a clip are the mean over its crops.

    Args:
        classify: a NetworkClassifier or ExportedHalves.
        batches: iterable of {"frames": uint8 (B, Q * crops, T, h, w, 3), "label": (B,), "media_id": (B,), "seed":
            (B, Q, 2)}; the crops of a clip follow each other.
        transmission: a TransmissionMeter, which is given the first crop of the first clip of every video.
        with_mirrors: also shows the network every crop mirrored left to right.

    Returns:
        Predictions.

    Raises:
        UserError: there is no video, or the answer for one is not finite.
    """
    media_ids: list[str] = []
    labels, probabilities = [], []
    for batch in batches:
        frames, seeds = batch["frames"], batch["seed"]
        crops = frames.shape[1] // seeds.shape[1]
        answers = []
        # One view of every video at a time bounds the memory by the batch, whatever Q is.
        for clip in range(seeds.shape[1]):
            of_crops = []
            for view in range(clip * crops, (clip + 1) * crops):
                answer, distilled = classify(frames[:, view], seeds[:, clip])
                of_crops.append(answer)
                if transmission and view == 0:
                    transmission.add(distilled)
                if with_mirrors:
                    of_crops.append(classify(tf.reverse(frames[:, view], [-2]), seeds[:, clip])[0])
            answers.append(np.mean(of_crops, axis=0))
        probabilities.append(np.stack(answers, axis=1))
        labels.append(batch["label"].numpy())
        media_ids.extend(media_id.decode() for media_id in batch["media_id"].numpy())
        finite = np.isfinite(probabilities[-1]).reshape(len(answers[0]), -1).all(axis=1)
        if not finite.all():
            name = media_ids[len(media_ids) - len(finite) + int(np.argmin(finite))]
            raise UserError(f"the network's answer for {name} is not finite: its training has diverged")
    if not media_ids:
        raise UserError("expected at least one video that can be read, got shards without any; build them again")
    return Predictions(media_ids, np.concatenate(labels), np.concatenate(probabilities))
