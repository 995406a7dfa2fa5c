"""Writes, checks and puts in place what a trained run deploys."""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tsd_tf.config import Config
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.export import tflite, verification
from tsd_tf.export.level_quantization import quantize_levels
from tsd_tf.export.saved_model import save_client, save_cloud
from tsd_tf.main_networks.interface import check_main_network
from tsd_tf.network import FewFrameNetwork

VARIANTS = ("float32", "float16", "int8")


def next_version(output_dir: str | os.PathLike) -> int:
    """One more than the highest version number that lies in the output folder, 1 in an empty one."""
    found = [
        int(path.name)
        for half in (signatures.CLOUD_DIR, signatures.CLIENT_DIR)
        for path in (pathlib.Path(output_dir) / half).glob("*")
        if path.name.isdecimal()
    ]
    return max(found, default=0) + 1


def clips_to_check(config: Config, data_dir: str, count: int) -> tuple[np.ndarray, str]:
    """Clips to compare on: of the test or validation shards, or seeded noise where there are none.

    Returns:
        (uint8 (count, T, crop, crop, 3), where they come from).
    """
    return _clips(config, data_dir, ("test", "validate"), count)


def representative_clips(config: Config, data_dir: str, count: int) -> tuple[np.ndarray, str]:
    """Clips that the int8 file takes its ranges from; never those of `clips_to_check`.

    They are of the training shards; where there are none, of other videos of the test or validation shards, or other
    noise.

    Returns:
        (uint8 (count, T, crop, crop, 3), where they come from).
    """
    try:
        find_shards(data_dir, "train")
    except UserError:
        return _clips(config, data_dir, ("test", "validate"), count, skip=count, seed=1)
    return _clips(config, data_dir, ("train",), count, seed=1)


def _clips(
    config: Config, data_dir: str, splits: Sequence[str], count: int, skip: int = 0, seed: int = 0
) -> tuple[np.ndarray, str]:
    for split in splits:
        try:
            shards = find_shards(data_dir, split)
        except UserError:
            continue
        # A damaged video is no reason not to export: the next one takes its place.
        records = Records(shards, damaged_share=1.0)
        with EvaluationClips(records, config.clip_spec, num_clips=1, batch_size=1, seed=seed) as batches:
            frames = [batch["frames"].numpy()[:, 0] for batch in itertools.islice(batches, skip, skip + count)]
        if frames:
            return np.concatenate(frames), f"{data_dir} ({split})"
    size = config.crop_size
    noise = np.random.default_rng(seed).integers(0, 256, (count, config.num_frames, size, size, 3), "uint8")
    return noise, f"seeded noise (no shards in {data_dir})"


def export(
    network: FewFrameNetwork,
    config: Config,
    labels: Sequence[str],
    output_dir: str | os.PathLike,
    clips: np.ndarray,
    representative: np.ndarray,
    variants: Sequence[str] = VARIANTS,
    tolerances: verification.Tolerances = verification.TOLERANCES,
) -> tuple[signatures.ClientModel, dict[str, Any]]:
    """Writes both halves as the next version of `output_dir`, after checking them against `network`.

    Everything is written aside and renamed when complete, the cloud half last: a server that watches the folder sees
    a new version when the client's files are there.

    Args:
        network: the trained network.
        config: its configuration.
        labels: the class names, by label.
        output_dir: folder; made where missing.
        clips: uint8 (n, T, crop, crop, 3) to check on.
        representative: uint8 (n, T, crop, crop, 3), other clips, to take the ranges of the int8 file from.
        variants: the TFLite files to write, of VARIANTS.
        tolerances: how far they may be from `network`.

    Returns:
        (sidecar, report): what client.json holds, and what report.json holds: the differences of both SavedModels and
        of every TFLite file.
    """
    if len(labels) != config.num_classes:
        raise UserError(f"the run has {config.num_classes} classes, its labels.txt names {len(labels)}")
    frames_shape = (None, config.num_distilled_frames, config.crop_size, config.crop_size, 3)
    check_main_network(network.main_network, config.num_classes, frames_shape, config.main_network)
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    version = next_version(output_dir)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=".incoming-", dir=output_dir))
    try:
        with tqdm(total=4 + len(variants), unit="part", desc="export") as progress:
            reference = verification.Reference.of(network, clips)
            progress.update()
            save_cloud(network, labels, config.crop_size, aside / signatures.CLOUD_DIR)
            cloud = tf.saved_model.load(str(aside / signatures.CLOUD_DIR))
            classify = cloud.signatures[signatures.SERVING_DEFAULT]
            report: dict[str, Any] = {
                "version": version,
                "num_clips": len(clips),
                "num_representative_clips": len(representative),
                "tolerances": _without_infinities(dataclasses.asdict(tolerances)),
                "cloud": verification.check_cloud(reference, classify, tolerances),
            }
            progress.update()
            client_half = save_client(network, config.crop_size, aside / signatures.CLIENT_DIR)
            client = tf.saved_model.load(str(aside / signatures.CLIENT_DIR))
            differences = verification.check_client(
                "saved_model", reference, client.signatures[signatures.DISTILL], classify, tolerances
            )
            report["client"] = {"saved_model": dataclasses.asdict(differences)}
            progress.update()
            keys = sorted(client.signatures)
            written = []
            for variant in variants:
                contents = tflite.convert(aside / signatures.CLIENT_DIR, keys, variant, representative)
                contents = quantize_levels(contents)
                differences = verification.check_client(
                    variant, reference, verification.tflite_distill(contents), classify, tolerances
                )
                report["client"][variant] = dataclasses.asdict(differences)
                written.append(_write_variant(aside, variant, contents, differences))
                progress.update()
            sidecar = signatures.ClientModel(
                version=version,
                method=config.method,
                num_frames=config.num_frames,
                num_distilled_frames=config.num_distilled_frames,
                frame_size=config.crop_size,
                short_side=config.short_side,
                frames_per_second=config.frame_rate,
                square_pixels=config.square_pixels,
                num_classes=config.num_classes,
                feature_shape=client_half.feature_shape,
                signatures=tuple(keys),
                variants=tuple(written),
            )
            (aside / signatures.LABELS_FILE).write_text("".join(f"{label}\n" for label in labels))
            (aside / signatures.REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
            (aside / signatures.SIDECAR_FILE).write_text(sidecar.to_json())
            _put_in_place(aside, output_dir, version)
            progress.update()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sidecar, report


def _without_infinities(tolerances: dict[str, Any]) -> dict[str, Any]:
    # What is only reported has no bound, and JSON has no infinity.
    return {
        name: {key: value for key, value in limit.items() if value < float("inf")} if isinstance(limit, dict) else limit
        for name, limit in tolerances.items()
    }


def _write_variant(
    folder: pathlib.Path, name: str, contents: bytes, differences: verification.Differences
) -> signatures.Variant:
    path = folder / signatures.tflite_file(name)
    path.write_bytes(contents)
    return signatures.Variant(
        name=name,
        file=path.name,
        num_bytes=len(contents),
        sha256=hashlib.sha256(contents).hexdigest(),
        transformation_matrix_difference=differences.transformation_matrix,
        distilled_frames_difference=differences.distilled_frames,
        distilled_frames_mean_difference=differences.distilled_frames_mean,
        logits_difference=differences.logits,
        probabilities_difference=differences.probabilities,
        top1_agreement=differences.top1_agreement,
    )


def _put_in_place(aside: pathlib.Path, output_dir: pathlib.Path, version: int) -> None:
    halves = (signatures.CLIENT_DIR, signatures.CLOUD_DIR)
    for path in sorted(path for path in aside.iterdir() if path.name not in halves):
        path.replace(output_dir / path.name)
    for half in halves:
        (output_dir / half).mkdir(exist_ok=True)
        (aside / half).rename(output_dir / half / str(version))
