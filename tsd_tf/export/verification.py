"""Every export is compared with the Keras network it came from: every signature of every form of both halves."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tsd_tf.contract import lite_interpreter, signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.engines import kinds
from tsd_tf.engines.engine import Engine
from tsd_tf.network import FewFrameNetwork
from tsd_tf.video import codec


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the Keras network answers for the clips that an export is checked on.

    Attributes:
        clips: uint8 (n, T, H, W, 3).
        coarse_stride: see CoarseSelector.
        features: float32 (n, T', h, w, c), coarse features of every coarse_stride-th frame; None where P is not made of
            these by a TSD block.
        transformation_matrices: float32 (n, T, T_s).
        distilled_frames: uint8 (n, T_s, H, W, 3).
        logits: float32 (n, num_classes), of the uint8 distilled frames.
    """

    clips: np.ndarray
    coarse_stride: int
    features: np.ndarray | None
    transformation_matrices: np.ndarray
    distilled_frames: np.ndarray
    logits: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """The softmax of the logits."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    @classmethod
    def of(cls, network: FewFrameNetwork, clips: np.ndarray) -> "Reference":
        """Runs `network` on `clips`, one at a time: a full-size clip needs some hundred megabytes."""
        selector = network.selector
        features: list[np.ndarray] = []
        matrices, frames, logits = [], [], []
        for clip in clips:
            inputs = to_network_input(clip[None])
            if selector.is_coarse and selector.tsd_block is not None:
                features.append(
                    np.asarray(selector.encode_frames(inputs[0, :: selector.coarse_stride], training=False))
                )
            matrix = network.transformation_matrix(inputs, training=False)
            distilled = to_uint8(network.frame_distillation(inputs, matrix))
            logits.append(np.asarray(network.cloud(to_network_input(distilled), training=False))[0])
            matrices.append(np.asarray(matrix)[0])
            frames.append(np.asarray(distilled)[0])
        found = (np.stack(matrices), np.stack(frames), np.stack(logits))
        return cls(clips, selector.coarse_stride if features else 1, np.stack(features) if features else None, *found)


@dataclasses.dataclass(frozen=True)
class Differences:
    """How far an exported form of the client half is from the network, or how far it may be.

    Whatever a clip's way, at once or frame by frame, the larger difference counts.

    Attributes:
        transformation_matrix: largest absolute difference of P.
        transformation_matrix_mean: mean over the clips of each clip's largest.
        distilled_frames, distilled_frames_mean: largest and mean absolute difference of Y, in levels of 255.
        features: largest absolute difference of the coarse features, as a share of the largest feature.
        ways: largest absolute difference between P of a clip at once and P of the same clip frame by frame.
        logits, probabilities: largest absolute differences after the cloud half.
        probabilities_mean: mean over the clips of each clip's largest difference.
        top1_agreement: share of the clips for which it finds the same likeliest class as the network.
    """

    transformation_matrix: float
    transformation_matrix_mean: float
    distilled_frames: float
    distilled_frames_mean: float
    features: float
    ways: float
    logits: float
    probabilities: float
    probabilities_mean: float
    top1_agreement: float


_ANY = float("inf")
_REPORTED_ONLY = ("logits", "top1_agreement")


@dataclasses.dataclass(frozen=True)
class Tolerances:
    """How far each exported form may be from the network.

    Float32 sums in another order move P by some 1e-5, and with it a pixel in a thousand across a rounding edge. The
    others are measured with networks trained on the sample data set, on up to 300 clips that the int8 file was not
    calibrated with. Half precision weights move P by 0.006, single levels of Y by 1, the largest coarse feature by
    0.12 % and probabilities by 0.01. In int8 a column of P that nearly ties two frames may go over to the other one: P
    moves by up to 0.74, single levels of Y by 108 and probabilities by 0.49, without a loss of accuracy. So these are
    only reported, and what is bounded is the mean: each clip's largest difference of P is 0.04 to 0.28, that of
    probabilities 0.03, and Y is off by 0.2 to 1.1 levels. The largest feature is off by up to 16 % of it, and both ways
    of a clip give the same P within 0.005. They were 0.6 to 0.86 apart where `encode_frame` was calibrated with first
    frames alone, and its features off by up to 45 %. Logits and top-1 are only reported: a shift of all logits changes
    nothing, and top-1 may fall where two classes tie.

    Attributes:
        cloud: largest absolute difference of the cloud half's probabilities, by precision.
        saved_model, float32, float16, int8: Differences, of the client half's forms.
    """

    cloud: Mapping[str, float] = dataclasses.field(default_factory=lambda: kinds.TOLERANCES)
    saved_model: Differences = Differences(1e-4, 1e-4, 1, 0.05, 1e-4, 1e-4, _ANY, 5e-3, 5e-3, 0.0)
    float32: Differences = Differences(1e-4, 1e-4, 1, 0.05, 1e-4, 1e-4, _ANY, 5e-3, 5e-3, 0.0)
    float16: Differences = Differences(0.03, 0.01, 5, 0.1, 0.01, 1e-3, _ANY, 0.04, 0.01, 0.0)
    int8: Differences = Differences(_ANY, 0.4, _ANY, 2.0, 0.25, 0.02, _ANY, _ANY, 0.2, 0.0)


TOLERANCES = Tolerances()
_Signature = Callable[..., Mapping[str, Any]]  # called with named tensors


def check_cloud(reference: Reference, engine: Engine, tolerance: float) -> dict[str, float]:
    """How far the cloud half is from the network, by each of its signatures; UserError beyond the tolerance.

    Args:
        reference: what the network answers.
        engine: runs the cloud half.
        tolerance: largest absolute difference of a probability; infinity to measure alone.

    Returns:
        {"logits", "probabilities": largest absolute difference, "probabilities_mean": mean over the clips of each
        clip's largest, "top1_agreement": share of the clips}. Differences are NaN where answers are.
    """
    found = _compare_answers(reference, engine, reference.distilled_frames)
    pictures = codec.encode(reference.distilled_frames[0], "png").inputs
    of_pictures = engine.call(signatures.JPEG, pictures)[signatures.PROBABILITIES]
    of_video = engine.call(signatures.VIDEO, {signatures.FRAMES: reference.distilled_frames[None]})
    probabilities = reference.probabilities
    differences = [
        found["probabilities"],
        np.abs(of_pictures[0] - probabilities[0]).max(),
        np.abs(of_video[signatures.PROBABILITIES][0] - probabilities.mean(axis=0)).max(),
    ]
    found["probabilities"] = float(np.max(differences))  # which, unlike Python's, passes NaN on
    _require(f"cloud, {engine.precision} by {engine.name},", "probabilities", found["probabilities"], tolerance)
    return found


def check_client(
    name: str, reference: Reference, client: Mapping[str, _Signature], cloud: Engine, tolerances: Tolerances
) -> Differences:
    """How far a form of the client half is from the network; UserError beyond the tolerance of its name.

    Args:
        name: "saved_model", "float32", "float16" or "int8".
        reference: what the network answers.
        client: its signatures.
        cloud: the cloud half.
        tolerances: how far it may be.
    """
    at_once = [client[signatures.DISTILL](frames=clip[None]) for clip in reference.clips]
    ways, feature_difference = [at_once], 0.0
    if reference.features is not None:
        encode, distill = client[signatures.ENCODE_FRAME], client[signatures.DISTILL_FEATURES]
        features = np.stack(
            [
                np.stack([_first(encode(frame=frame[None]), signatures.FEATURES) for frame in clip])
                for clip in reference.clips[:, :: reference.coarse_stride]
            ]
        )
        ways.append(
            [
                distill(frames=clip[None], features=its[None])
                for clip, its in zip(reference.clips, features, strict=True)
            ]
        )
        largest = np.abs(reference.features).max()
        feature_difference = float(np.abs(features - reference.features).max() / largest)
    matrices = np.stack([[_first(answer, signatures.TRANSFORMATION_MATRIX) for answer in way] for way in ways])
    frames = np.stack([[_first(answer, signatures.DISTILLED_FRAMES) for answer in way] for way in ways])
    by_clip = np.abs(matrices - reference.transformation_matrices).max(axis=(2, 3))
    levels = np.abs(frames.astype("int16") - reference.distilled_frames)
    answers = [_compare_answers(reference, cloud, way) for way in frames]
    # NumPy's maximum, unlike Python's, passes NaN on.
    differences = Differences(
        transformation_matrix=float(by_clip.max()),
        transformation_matrix_mean=float(by_clip.mean(axis=1).max()),
        distilled_frames=float(levels.max()),
        distilled_frames_mean=float(levels.mean(axis=(1, 2, 3, 4, 5)).max()),
        features=feature_difference,
        ways=float(np.abs(matrices[-1] - matrices[0]).max()),
        logits=float(np.max([answer["logits"] for answer in answers])),
        probabilities=float(np.max([answer["probabilities"] for answer in answers])),
        probabilities_mean=float(np.max([answer["probabilities_mean"] for answer in answers])),
        top1_agreement=min(answer["top1_agreement"] for answer in answers),
    )
    limits = getattr(tolerances, name)
    advice = f"; `variants` without {name} leaves it out" if name in ("float16", "int8") else ""
    for field in dataclasses.fields(Differences):
        if field.name not in _REPORTED_ONLY:
            difference, limit = getattr(differences, field.name), getattr(limits, field.name)
            _require(f"client, {name}", field.name, difference, limit, advice)
    return differences


def tflite_signatures(contents: bytes) -> dict[str, _Signature]:
    """The signatures of a TFLite file's bytes, as LiteRT runs them, by name."""
    interpreter = lite_interpreter.load(contents)
    return {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}


def _first(answer: Mapping[str, Any], name: str) -> np.ndarray:
    return np.asarray(answer[name])[0]


def _compare_answers(
    reference: Reference, cloud: Engine, frames: Sequence[np.ndarray] | np.ndarray
) -> dict[str, float]:
    answers = [cloud.call(signatures.SERVING_DEFAULT, {signatures.FRAMES: clip[None]}) for clip in frames]
    logits, probabilities = (
        np.concatenate([answer[name] for answer in answers]) for name in (signatures.LOGITS, signatures.PROBABILITIES)
    )
    by_clip = np.abs(probabilities - reference.probabilities).max(axis=1)
    return {
        "logits": float(np.abs(logits - reference.logits).max()),
        "probabilities": float(by_clip.max()),
        "probabilities_mean": float(by_clip.mean()),
        "top1_agreement": float(np.mean(logits.argmax(axis=1) == reference.logits.argmax(axis=1))),
    }


def _require(half: str, quantity: str, difference: float, tolerance: float, advice: str = "") -> None:
    # Written so that NaN fails where there is a bound, and passes where it is only measured.
    if tolerance < _ANY and not difference <= tolerance:
        raise UserError(
            f"the exported {half} half is not the trained network: its {quantity} differ by {difference:.6g}, "
            f"expected at most {tolerance:g}; nothing was put in place{advice}"
        )
