"""One test from beginning to end: reads shards, classifies, writes the results."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tsd_tf.contract import files
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, labels_difference, read_labels
from tsd_tf.data.stored_frames import read_stored_frames
from tsd_tf.efficiency import measurement
from tsd_tf.evaluation import metrics, protocol, subjects
from tsd_tf.evaluation.coding import Coding
from tsd_tf.evaluation.exported_halves import ExportedHalves
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.evaluation.subject import Subject
from tsd_tf.evaluation.transmission_meter import TransmissionMeter
from tsd_tf.network import FewFrameNetwork
from tsd_tf.reporting import accuracy_over_bytes, bytes_picture, confusion_picture, machine

CROPS = (1, 10)  # the centre; it and the four corners, each of them mirrored as well
FORMAT = 1  # of the JSON; a field is added without notice, none changes its meaning under the same number
_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "ai-edge-litert")


def default_strategy() -> tf.distribute.Strategy:
    """MirroredStrategy over all visible GPUs, or the default strategy without a GPU."""
    return tf.distribute.MirroredStrategy() if tf.config.list_physical_devices("GPU") else tf.distribute.get_strategy()


def prepare(subject: Subject, crops: int = 1) -> list[str]:
    """The shards that a Subject is tested on.

    Args:
        subject, crops: as for `evaluate`.

    Raises:
        UserError: no shards, another class list, frames of another rate or size, frames without corners to crop, or a
            folder that cannot be written to.
    """
    shards = find_shards(subject.data_dir, subject.split)
    labels = read_labels(subject.data_dir)
    known = subject.labels or labels
    if labels != known or len(labels) != subject.num_classes:
        difference = labels_difference(labels, known)
        detail = f"; {difference}" if difference else ""
        raise UserError(
            f"the class list of {subject.data_dir} ({len(labels)} classes) is not the one that {subject.name} was "
            f"trained with ({subject.num_classes} classes){detail}; name the right `data_dir` or `work_directory`"
        )
    stored = read_stored_frames(subject.data_dir, subject.split)
    if differences := subject.frames.differences(stored):
        raise UserError(
            f"{subject.name} was trained on other frames than the {subject.split} shards of {subject.data_dir} hold: "
            f"{'; '.join(differences)}. Build the shards as those of the training were"
        )
    if crops not in CROPS:
        raise UserError(f"`crops` must be {' or '.join(map(str, CROPS))}. Received: crops={crops}")
    if crops > 1 and subject.facts["source"] == "export":
        raise UserError(f"`crops` must be 1 for an export: its client sends one crop. Received: crops={crops}")
    if crops > 1 and stored.short_side is not None and stored.short_side <= subject.crop_size:
        raise UserError(
            f"`crops` needs frames that are larger than the crop: the {subject.split} shards of {subject.data_dir} "
            f"have a short side of {stored.short_side} pixels, and {subject.name} takes crops of {subject.crop_size}. "
            f"Received: crops={crops}"
        )
    files.require_writable(subject.folder)
    return shards


def evaluate(
    subject: Subject,
    *,
    clips: Sequence[int],
    batch_size: int,
    seed: int,
    qualities: Sequence[int] = (90,),
    dump: bool = False,
    damaged_share: float = 0.0,
    crops: int = 1,
    timing_runs: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> list[tuple[pathlib.Path, dict[str, Any]]]:
    """Tests a Subject and writes the results into its folder.

    Args:
        subject: what to test.
        clips: the numbers of clips Q to report, all from one pass over the data.
        batch_size: videos a replica and batch.
        seed: of the test clips.
        qualities: JPEG qualities at which the bytes that travel are measured.
        dump: also writes the probabilities of every clip of every video.
        damaged_share: of the records that may be damaged, and are left out; more is an error.
        crops: of every clip, one of CROPS; a clip's probabilities are the mean over them.
        timing_runs: adds what a clip costs the network, timed in so many runs; None leaves it out, 0 counts alone.
        strategy: None for all visible GPUs, or the CPU.

    Returns:
        List of (path of the JSON, its contents), one for each of `clips`.

    Raises:
        UserError: see `prepare`; weights that do not fit; data that cannot be read.
    """
    shards = prepare(subject, crops)
    labels = read_labels(subject.data_dir)
    strategy = strategy or default_strategy()
    classify = subject.load(strategy)
    records = Records(shards, damaged_share)
    with (
        EvaluationClips(
            records,
            ClipSpec(subject.num_frames, subject.crop_size, subject.num_classes, frame_sampling=subject.frame_sampling),
            num_clips=max(clips),
            batch_size=batch_size * strategy.num_replicas_in_sync,
            seed=seed,
            with_corners=crops > 1,
        ) as batches,
        tqdm(total=records.total, desc="evaluate", unit="video", mininterval=1.0) as bar,
        TransmissionMeter(qualities) as transmission,
    ):
        predictions = protocol.collect(classify, protocol.shown(batches, bar), transmission, with_mirrors=crops > 1)
        bytes_per_clip = transmission.means()
    facts = {
        **subject.facts,
        "data_dir": str(subject.data_dir),
        "split": subject.split,
        "split_of_ucf101": subjects.split_of_ucf101(subject),
        "num_frames": subject.num_frames,
        "num_distilled_frames": subject.num_distilled_frames,
        "crop_size": subject.crop_size,
        "num_classes": subject.num_classes,
        "seed": seed,
        "crops": crops,
        "damaged": sorted(records.damaged.values()),
        "bytes_per_clip": bytes_per_clip,
        "packages": machine.versions(*_PACKAGES),
    }
    sent: list[tuple[Coding, float, protocol.Predictions]] = []
    if isinstance(classify, ExportedHalves):
        codings = enumerate(classify.codings)
        sent = [(coding, classify.mean_bytes(coding), predictions.of_coding(number)) for number, coding in codings]
        _, facts["bytes_sent_per_clip"], predictions = sent[0]
    if timing_runs is not None and isinstance(classify, NetworkClassifier):
        facts["costs"] = _costs(classify.network, subject.crop_size, timing_runs)
    stem = f"{subject.stem}_{subject.split}_T{subject.num_frames}_Ts{subject.num_distilled_frames}"
    of_crops = "" if crops == 1 else f"_crops{crops}"
    if dump:
        _dump(subject.folder / f"{stem}{of_crops}_probabilities.npz", predictions, labels)
    return [
        _write(
            subject.folder / f"{stem}_clips{count}{of_crops}", predictions, count, labels, facts, _codings(sent, count)
        )
        for count in clips
    ]


def _costs(network: FewFrameNetwork, crop_size: int, timing_runs: int) -> dict[str, Any]:
    """What one crop of one clip costs, and the machine that the times are of."""
    parameters, costs = measurement.of_one_clip(network, crop_size, timing_runs)
    return {**parameters, **costs, "timing_runs": timing_runs, "machine": machine.in_words() if timing_runs else None}


def _dump(path: pathlib.Path, predictions: protocol.Predictions, labels: Sequence[str]) -> None:
    with files.whole_file(path) as file:
        np.savez(
            file,
            media_ids=np.array(predictions.media_ids),
            labels=predictions.labels,
            probabilities=predictions.probabilities,
            class_names=np.array(labels),
        )


def _codings(sent: Sequence[tuple[Coding, float, protocol.Predictions]], count: int) -> list[dict[str, Any]]:
    """What accuracy_over_bytes takes."""
    found = []
    for coding, size, predictions in sent:
        summary = predictions.summary(count)
        accuracy = {name: summary[name] for name in ("top1", "top1_standard_error")}
        found.append({**dataclasses.asdict(coding), "bytes_per_clip": size, **accuracy})
    return found


def _write(
    stem: pathlib.Path,
    predictions: protocol.Predictions,
    count: int,
    labels: Sequence[str],
    facts: dict[str, Any],
    codings: list[dict[str, Any]],
) -> tuple[pathlib.Path, dict[str, Any]]:
    averaged = predictions.averaged(count)
    accuracies = metrics.per_class_accuracy(averaged, predictions.labels, len(labels))
    matrix = metrics.confusion_matrix(averaged, predictions.labels, len(labels))
    summary = {
        "format": FORMAT,
        **predictions.summary(count),
        **facts,
        "per_class": [
            {"class": label, "videos": int(videos), "top1": None if np.isnan(accuracy) else float(accuracy)}
            for label, videos, accuracy in zip(labels, matrix.sum(axis=1), accuracies, strict=True)
        ],
    }
    files.write(f"{stem}_confusion.csv", confusion_picture.table(matrix, labels).csv())
    frames = f"{summary['num_frames']} to {summary['num_distilled_frames']} frames"
    crops = "" if summary["crops"] == 1 else f" of {summary['crops']} crops"
    setting = f"{summary['method']}, {frames}, {count} clip{'s' * (count != 1)}{crops}"
    title = f"{setting}: {summary['top1']:.1%} of {summary['videos']} videos"
    confusion_picture.draw(f"{stem}_confusion.png", matrix, labels, title)
    if len(codings) > 1:
        summary["codings"] = codings
        summary["bytes_at_equal_accuracy"] = accuracy_over_bytes.at_equal_accuracy(codings)
        bytes_picture.draw(f"{stem}_bytes.png", [(f"{setting}, {summary['videos']} videos", codings)])
    # Last: whoever finds the JSON finds the rest.
    path = stem.with_name(f"{stem.name}.json")
    files.write_json(path, summary)
    return path, summary
