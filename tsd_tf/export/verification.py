"""Every export is compared with the Keras network it came from, on real clips where there are any."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.network import FewFrameNetwork


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the Keras network answers for the clips that an export is checked on.

    Attributes:
        clips: uint8 (n, T, H, W, 3).
        transformation_matrices: float32 (n, T, T_s).
        distilled_frames: uint8 (n, T_s, H, W, 3).
        logits: float32 (n, num_classes), of the uint8 distilled frames.
    """

    clips: np.ndarray
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
        matrices, frames, logits = [], [], []
        for clip in clips:
            inputs = to_network_input(clip[None])
            matrix = network.transformation_matrix(inputs, training=False)
            distilled = to_uint8(network.frame_distillation(inputs, matrix))
            logits.append(np.asarray(network.cloud(to_network_input(distilled), training=False))[0])
            matrices.append(np.asarray(matrix)[0])
            frames.append(np.asarray(distilled)[0])
        return cls(clips, np.stack(matrices), np.stack(frames), np.stack(logits))


@dataclasses.dataclass(frozen=True)
class Differences:
    """How far an exported file is from the network, or how far it may be; see tsd_tf.contract.signatures.Variant."""

    transformation_matrix: float
    distilled_frames: float
    distilled_frames_mean: float
    logits: float
    probabilities: float
    top1_agreement: float


_ANY = float("inf")


@dataclasses.dataclass(frozen=True)
class Tolerances:
    """How far each exported file may be from the network.

    Float32 sums in another order move P by some 1e-5, and with it a pixel in a thousand across a rounding edge. With a
    network trained on the sample data set, on clips that the int8 file was not calibrated with, P moves by 0.01 with
    half precision weights and by 0.1 in int8, single levels of Y by 3 and 21, Y on average by 0.02 and 0.25 levels,
    probabilities by 0.01 and 0.06: the tolerances are two to four times that. Logits and top-1 are only reported: a
    shift of all logits changes nothing, and top-1 may fall where two classes tie.

    Attributes:
        cloud: largest absolute difference of the cloud half's probabilities.
        saved_model, float32, float16, int8: Differences, of the client half's files.
    """

    cloud: float = 1e-3
    saved_model: Differences = Differences(1e-4, 1, 0.05, _ANY, 5e-3, 0.0)
    float32: Differences = Differences(1e-4, 1, 0.05, _ANY, 5e-3, 0.0)
    float16: Differences = Differences(0.03, 8, 0.1, _ANY, 0.03, 0.0)
    int8: Differences = Differences(0.25, 64, 1.0, _ANY, 0.2, 0.0)


TOLERANCES = Tolerances()
_Signature = Callable[..., dict[str, Any]]  # called with named tensors


def check_cloud(reference: Reference, classify: _Signature, tolerances: Tolerances) -> dict[str, float]:
    """How far a cloud half is from the network; UserError if its probabilities are beyond the tolerance.

    Args:
        reference: what the network answers.
        classify: the SavedModel's function, uint8 (1, T_s, H, W, 3) -> dict with LOGITS and PROBABILITIES.
        tolerances: how far it may be.

    Returns:
        {"logits", "probabilities": largest absolute difference, "top1_agreement": share of the clips}.
    """
    answer = _compare_answers(reference, classify, reference.distilled_frames)
    _require("cloud", "probabilities", answer["probabilities"], tolerances.cloud)
    return answer


def check_client(
    name: str, reference: Reference, distill: _Signature, classify: _Signature, tolerances: Tolerances
) -> Differences:
    """How far a client half is from the network; UserError beyond the tolerance of its name.

    Args:
        name: "saved_model", "float32", "float16" or "int8".
        distill: uint8 (1, T, H, W, 3) -> dict with DISTILLED_FRAMES and TRANSFORMATION_MATRIX.
        reference, classify, tolerances: as in `check_cloud`.
    """
    matrices, frames = [], []
    for clip in reference.clips:
        answer = distill(frames=clip[None])
        matrices.append(np.asarray(answer[signatures.TRANSFORMATION_MATRIX])[0])
        frames.append(np.asarray(answer[signatures.DISTILLED_FRAMES])[0])
    # NumPy's maximum, unlike Python's, passes NaN on.
    levels = np.abs(np.stack(frames).astype("int16") - reference.distilled_frames)
    differences = Differences(
        transformation_matrix=float(np.abs(np.stack(matrices) - reference.transformation_matrices).max()),
        distilled_frames=float(levels.max()),
        distilled_frames_mean=float(levels.mean()),
        **_compare_answers(reference, classify, frames),
    )
    limits = getattr(tolerances, name)
    for field in ("transformation_matrix", "distilled_frames", "distilled_frames_mean", "probabilities"):
        _require(f"client, {name}", field, getattr(differences, field), getattr(limits, field))
    return differences


def tflite_distill(contents: bytes) -> _Signature:
    """The `distill` signature of a TFLite file's bytes, as LiteRT runs it."""
    return Interpreter(model_content=contents, num_threads=2).get_signature_runner(signatures.DISTILL)


def _compare_answers(
    reference: Reference, classify: _Signature, frames: Sequence[np.ndarray] | np.ndarray
) -> dict[str, float]:
    answers = [classify(frames=clip[None]) for clip in frames]
    logits, probabilities = (
        np.concatenate([np.asarray(answer[name]) for answer in answers])
        for name in (signatures.LOGITS, signatures.PROBABILITIES)
    )
    return {
        "logits": float(np.abs(logits - reference.logits).max()),
        "probabilities": float(np.abs(probabilities - reference.probabilities).max()),
        "top1_agreement": float(np.mean(logits.argmax(axis=1) == reference.logits.argmax(axis=1))),
    }


def _require(half: str, quantity: str, difference: float, tolerance: float) -> None:
    # Written so that NaN fails.
    if not difference <= tolerance:
        raise UserError(
            f"the exported {half} half is not the trained network: its {quantity} differ by {difference:.3g}, "
            f"expected at most {tolerance:g}; nothing was put in place"
        )
