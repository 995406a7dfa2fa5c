"""What is found out about a trained cell: the answer to every video, what P does, and accuracy over bytes."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from study import answers, data
from study.cell import Test
from tsd_tf.config import Config
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import evaluation, event_clips, matrix_statistics, metrics, protocol, subjects
from tsd_tf.evaluation.coding import Coding
from tsd_tf.export import exporter
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import Uniform
from tsd_tf.work_directory import WorkDirectory

# One seed for all cells: methods with the same T see the same clips, so that paired tests can pair them.
_CLIPS_SEED = 0
_EVENTS_SEED = 7
_BATCH_SIZE = 32
_EXAMPLES = 3
_EXPORT_CHECKS = 8  # clips


def run_test(run: WorkDirectory, config: Config, test: Test) -> dict[str, Any]:
    """Q random clips a video, probabilities averaged (Sections 4.1 and 4.3.2).

    Args:
        run: of the trained network.
        config: its Config.
        test: I3D may be tested with another T = T_s than it was trained with, and I3D_A, which is trained on all T
            frames, with another T_s.

    Returns:
        {"split", "T", "Ts", "labels", "clips": {Q: {"top1", "predicted"}}}, and if the test asks for it "matrix": see
        `describe_matrices`. Labels and predictions are strings as study.answers makes them.
    """
    frames = {"num_frames": test.num_frames, "num_distilled_frames": test.num_distilled_frames}
    config = dataclasses.replace(config, **frames)
    network = run.load_network(config)
    options = {"num_clips": max(test.clips), "batch_size": _BATCH_SIZE, "seed": _CLIPS_SEED}
    clips = EvaluationClips(Records(find_shards(config.data_dir, test.split)), config.clip_spec, **options)
    predictions = protocol.predict(network, clips)
    found = {
        "split": test.split,
        "T": test.num_frames,
        "Ts": test.num_distilled_frames,
        "labels": answers.text(predictions.labels),
        "clips": {str(clips): _answers(predictions, clips) for clips in test.clips},
    }
    return {**found, "matrix": describe_matrices(network, config, test.split)} if test.matrix else found


def _answers(predictions, clips):
    averaged = predictions.averaged(clips)
    top1 = float(metrics.top_k_correct(averaged, predictions.labels, 1).mean())
    return {"top1": top1, "predicted": answers.text(averaged.argmax(axis=1))}


def describe_matrices(network: FewFrameNetwork, config: Config, split: str) -> dict[str, Any]:
    """P against the truth, on one clip of every video.

    Returns:
        What matrix_statistics.describe returns, with what `recognise_events` returns under "whole_event", and under
        "examples" P and the event's frames of a few clips.
    """
    clips = _event_clips(config, split)

    @_in_batches
    def matrix(frames):
        return network.transformation_matrix(to_network_input(frames), training=False)

    found = matrix(clips.frames)
    examples = [
        {
            "label": int(clips.labels[i]),
            "event": np.flatnonzero(clips.shown[i]).tolist(),
            "P": np.round(found[i], 4).tolist(),
        }
        for i in clips.examples(_EXAMPLES)
    ]
    whole_event = recognise_events(network, clips)
    return {**matrix_statistics.describe(found, clips.shown), "whole_event": whole_event, "examples": examples}


def recognise_events(network: FewFrameNetwork, clips: event_clips.EventClips) -> dict[str, Any]:
    """Accuracy on the clips that show their whole event: if the event is not in a clip, no P can find it.

    Returns:
        {"clips": how many, "top1": of the network, "top1_of_event": of its main network on T_s frames at equal
        intervals from the event's first to its last, as a P that knows it would pick them}. Both are None if no clip
        shows its whole event.
    """
    if not clips.whole.any():
        return {"clips": 0, "top1": None, "top1_of_event": None}
    frames, labels = clips.frames[clips.whole], clips.labels[clips.whole]
    count = network.selector.num_distilled_frames
    picked = [np.flatnonzero(shown)[spread(shown.sum(), count)] for shown in clips.shown[clips.whole]]
    events = np.stack([clip[indices] for clip, indices in zip(frames, picked, strict=True)])

    @_in_batches
    def distil(batch):
        return network.client(to_network_input(batch), training=False)

    @_in_batches
    def recognise(batch):
        return network.cloud(batch, training=False)

    def top1(logits):
        return float((logits.argmax(axis=1) == labels).mean())

    return {
        "clips": len(frames),
        "top1": top1(recognise(distil(frames))),
        "top1_of_event": top1(recognise(to_network_input(events))),
    }


def _event_clips(config, split):
    sizes = {"video_frames": data.NUM_FRAMES, "size": data.SIZE}
    return event_clips.read(config.data_dir, split, config.num_frames, _EVENTS_SEED, **sizes)


def spread(length: int, count: int) -> np.ndarray:
    """`count` indices from 0 to length - 1 at equal intervals, some twice where these are fewer: (count,) ints."""
    return np.linspace(0, length - 1, count).round().astype(int)


def example_frames(run: WorkDirectory, config: Config, split: str) -> dict[str, np.ndarray]:
    """What the main network sees of a few clips that show their events.

    Args:
        run, config: as for `run_test`.
        split: of the clips.

    Returns:
        {title: uint8 (n, size, size, 3)}, in pairs: distilled frames, and frames at equal intervals.
    """
    network, names = run.load_network(config), run.labels()
    clips = _event_clips(config, split)
    every = Uniform(config.num_frames, config.num_distilled_frames).indices()
    rows = {}
    for number, i in enumerate(clips.examples(_EXAMPLES), 1):
        distilled = to_uint8(network.client(to_network_input(clips.frames[i : i + 1]), training=False))
        rows[f"{number}: {names[clips.labels[i]]}\ndistilled"] = np.asarray(distilled)[0]
        rows[f"{number}: uniform"] = clips.frames[i][every]
    return rows


def over_bytes(
    run: WorkDirectory,
    config: Config,
    uniform: WorkDirectory,
    export_dir: pathlib.Path,
    codings: Sequence[Coding],
    split: str,
) -> list[dict[str, Any]]:
    """Accuracy over the bytes that travel, one clip a video, by evaluate.py's own test of the exported halves.

    Args:
        run, config: the network that is exported.
        uniform: a run of I3D_E, which answers to uniform frames.
        export_dir: folder of the export.
        codings: how the clips travel.
        split: the test's.

    Returns:
        What tsd_tf.reporting.accuracy_over_bytes takes.
    """
    clips = _event_clips(config, split).frames[:_EXPORT_CHECKS]
    exporter.export(run.load_network(), config, run.labels(), export_dir, clips, clips[:0], ("float32",))
    subject = subjects.of_export(
        export_dir, config, variant="float32", codings=codings, uniform_workdir=uniform, split=split
    )
    [(_, found)] = evaluation.evaluate(subject, clips=(1,), batch_size=_BATCH_SIZE, seed=_CLIPS_SEED)
    return found["codings"]


def _in_batches(function: Callable) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a function of a batch one of an array of any length, which gives a NumPy array."""
    traced = tf.function(function, jit_compile=False, reduce_retracing=True)
    return lambda array: np.concatenate(
        [traced(array[start : start + _BATCH_SIZE]).numpy() for start in range(0, len(array), _BATCH_SIZE)]
    )
