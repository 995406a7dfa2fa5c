"""Tests a trained cell as evaluate.py does, and keeps the answer to every video."""

import dataclasses

import numpy as np

from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import metrics, protocol
from tsd_tf.work_directory import WorkDirectory

# One seed for all cells: methods with the same T see the same clips, so that paired tests can pair them.
_CLIPS_SEED = 0
_BATCH_SIZE = 32
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def test(workdir, config, test):
    """Q random clips a video, probabilities averaged (Sections 4.1 and 4.3.2).

    Args:
        workdir: work directory of the trained network.
        config: its Config.
        test: a study.cell.Test; only a network trained as I3D may be tested with another T and T_s than its own.

    Returns:
        {"split", "T", "Ts", "labels", "clips": {Q: {"top1", "predicted"}}}; labels and predictions are strings with one
        character a video, see `classes`.
    """
    config = dataclasses.replace(config, num_frames=test.num_frames, num_distilled_frames=test.num_distilled_frames)
    records = Records(find_shards(config.data_dir, test.split))
    options = {"num_clips": max(test.clips), "batch_size": _BATCH_SIZE, "seed": _CLIPS_SEED}
    network = WorkDirectory(workdir).load_network(config)
    predictions = protocol.predict(network, EvaluationClips(records, config.clip_spec, **options))
    answers = {}
    for clips in test.clips:
        averaged = predictions.averaged(clips)
        answers[str(clips)] = {
            "top1": float(metrics.top_k_correct(averaged, predictions.labels, 1).mean()),
            "predicted": _text(averaged.argmax(axis=1)),
        }
    return {
        "split": test.split,
        "T": test.num_frames,
        "Ts": test.num_distilled_frames,
        "labels": _text(predictions.labels),
        "clips": answers,
    }


def classes(text):
    """The class indices in a string of `test`, which has one base-36 digit a video: (num_videos,) ints."""
    return np.asarray([_DIGITS.index(character) for character in text])


def correct(test, clips):
    """Which videos of a `test` are recognised with Q = `clips`: (num_videos,) bool."""
    return classes(test["clips"][str(clips)]["predicted"]) == classes(test["labels"])


def _text(indices):
    return "".join(_DIGITS[index] for index in indices)
