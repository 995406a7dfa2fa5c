"""Writes, checks and puts in place what a trained run deploys."""

import dataclasses
import hashlib
import json
import math
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
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.engines import choice, kinds
from tsd_tf.export import tflite, verification
from tsd_tf.export.level_quantization import quantize_levels
from tsd_tf.export.openvino_network import save_openvino
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


def export(
    network: FewFrameNetwork,
    config: Config,
    labels: Sequence[str],
    output_dir: str | os.PathLike,
    clips: np.ndarray,
    representative: np.ndarray,
    variants: Sequence[str] = VARIANTS,
    tolerances: verification.Tolerances = verification.TOLERANCES,
    engine: str = "tensorflow",
    precision: str = kinds.AUTO,
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
        representative: uint8 (n, T, crop, crop, 3), other clips, to take the ranges of files in int8 from.
        variants: the TFLite files to write, of VARIANTS.
        tolerances: how far they may be from `network`.
        engine: what the cloud half is written for: "tensorflow", or "openvino" as well.
        precision: what the cloud half is checked in by `engine` beside float32: "bfloat16", "int8" (of openvino, which
            gets a network of its own for it), or "float32" for nothing else. With "auto" the difference in bfloat16 is
            measured where a server's "auto" may be it, and forbids nothing.

    Returns:
        (sidecar, report): what client.json holds, and what report.json holds: the differences of every form of both
        halves.
    """
    choice.check(engine, precision)
    config.require_consecutive_frames()
    if len(labels) != config.num_classes:
        raise UserError(f"the run has {config.num_classes} classes, its labels.txt names {len(labels)}")
    frames_shape = (None, config.num_distilled_frames, config.crop_size, config.crop_size, 3)
    check_main_network(network.main_network, config.num_classes, frames_shape, config.main_network)
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    version = next_version(output_dir)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=".incoming-", dir=output_dir))
    cloud_dir, client_dir = aside / signatures.CLOUD_DIR, aside / signatures.CLIENT_DIR
    try:
        with tqdm(total=4 + len(variants), unit="part", desc="export") as progress:
            reference = verification.Reference.of(network, clips)
            progress.update()
            half = save_cloud(
                network, labels, config.crop_size, cloud_dir, reference.distilled_frames, reference.probabilities
            )
            if engine == "openvino":
                save_openvino(half, cloud_dir, _distilled(network, representative) if precision == "int8" else None)
            cloud = choice.open_engine(cloud_dir)
            report: dict[str, Any] = {
                "version": version,
                "num_clips": len(clips),
                "num_representative_clips": len(representative),
                "tolerances": _as_json(dataclasses.asdict(tolerances)),
                "cloud": {
                    "tensorflow": {"float32": verification.check_cloud(reference, cloud, tolerances.cloud["float32"])},
                },
            }
            for name, limit in _to_check(engine, precision, tolerances).items():
                opened = choice.open_engine(cloud_dir, engine, name)
                report["cloud"].setdefault(engine, {})[name] = verification.check_cloud(reference, opened, limit)
            progress.update()
            client_half = save_client(network, config.crop_size, client_dir)
            client = tf.saved_model.load(str(client_dir)).signatures
            differences = verification.check_client("saved_model", reference, client, cloud, tolerances)
            report["client"] = {"saved_model": dataclasses.asdict(differences)}
            progress.update()
            keys = sorted(client)
            written = []
            for variant in variants:
                contents = quantize_levels(
                    tflite.convert(client_dir, keys, variant, representative, client_half.coarse_stride)
                )
                differences = verification.check_client(
                    variant, reference, verification.tflite_signatures(contents), cloud, tolerances
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
                coarse_stride=client_half.coarse_stride,
                signatures=tuple(keys),
                variants=tuple(written),
            )
            (aside / signatures.LABELS_FILE).write_text("".join(f"{label}\n" for label in labels))
            (aside / signatures.REPORT_FILE).write_text(json.dumps(_as_json(report), indent=2) + "\n")
            (aside / signatures.SIDECAR_FILE).write_text(sidecar.to_json())
            _put_in_place(aside, output_dir, version)
            progress.update()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sidecar, report


def _to_check(engine: str, precision: str, tolerances: verification.Tolerances) -> dict[str, float]:
    """The precisions of `engine` that the cloud half is checked in beside float32 on TensorFlow, and how far each may
    be off."""
    names = ["float32"] if engine == "openvino" else []
    if precision in ("bfloat16", "int8"):
        names.append(precision)
    limits = {name: tolerances.cloud[name] for name in names}
    if precision == kinds.AUTO and choice.may_be_bfloat16(engine):
        limits["bfloat16"] = float("inf")  # who serves it decides
    return limits


def _distilled(network: FewFrameNetwork, clips: np.ndarray) -> np.ndarray:
    """uint8 (n, T_s, H, W, 3), distilled frames of uint8 (n, T, H, W, 3), made one clip at a time."""
    return np.concatenate([np.asarray(to_uint8(network.client(to_network_input(clip[None])))) for clip in clips])


def _as_json(value: Any) -> Any:
    """Dicts of numbers, with null for those that JSON does not have: no bound, or answers that are not numbers."""
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
