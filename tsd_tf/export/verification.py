"""Every export is compared with the Keras network it came from, on real clips where there are any."""

import dataclasses

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.errors import UserError
from tsd_tf.export import signatures


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the Keras network answers for the clips that an export is checked on.

    Attributes:
        clips: uint8 (n, T, H, W, 3).
        transformation_matrices: float32 (n, T, T_s).
        distilled_frames: uint8 (n, T_s, H, W, 3).
        probabilities: float32 (n, num_classes), of the uint8 distilled frames.
    """

    clips: np.ndarray
    transformation_matrices: np.ndarray
    distilled_frames: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, network, clips):
        """Runs `network` on `clips`, one at a time: a full-size clip needs some hundred megabytes."""
        matrices, frames, probabilities = [], [], []
        for clip in clips:
            inputs = to_network_input(clip[None])
            matrix = network.transformation_matrix(inputs, training=False)
            distilled = to_uint8(network.frame_distillation(inputs, matrix))
            logits = network.cloud(to_network_input(distilled), training=False)
            matrices.append(np.asarray(matrix)[0])
            frames.append(np.asarray(distilled)[0])
            probabilities.append(_softmax(np.asarray(logits)[0]))
        return cls(clips, np.stack(matrices), np.stack(frames), np.stack(probabilities))


@dataclasses.dataclass(frozen=True)
class Differences:
    """How far an exported file is from the network, or how far it may be; see tsd_tf.export.signatures.Variant."""

    transformation_matrix: float
    distilled_frames: float
    distilled_frames_mean: float
    probabilities: float
    top1_agreement: float


# Float32 sums in another order move P by some 1e-5 and so a pixel in a thousand across a rounding edge. Of a network
# trained on the sample data set, P moves by 0.01 with half precision weights and by 0.1 in int8, Y by 0.02 and 0.3
# levels on average, probabilities by 0.01 and 0.07. Top-1 may fall where two classes are level: it is reported only.
TOLERANCES = {
    "saved_model": Differences(1e-4, 1, 0.05, 5e-3, 0.0),
    "float32": Differences(1e-4, 1, 0.05, 5e-3, 0.0),
    "float16": Differences(5e-2, 16, 1.0, 5e-2, 0.0),
    "int8": Differences(0.4, 255, 4.0, 0.3, 0.0),
}
CLOUD_TOLERANCE = 1e-3


def check_cloud(reference, classify):
    """The largest difference of probabilities between the network and a cloud half; UserError beyond CLOUD_TOLERANCE.

    Args:
        reference: Reference.
        classify: the SavedModel's function, uint8 (1, T_s, H, W, 3) -> dict with PROBABILITIES.
    """
    answered = np.stack([_classify(classify, frames) for frames in reference.distilled_frames])
    difference = float(np.abs(answered - reference.probabilities).max())
    _require("cloud", "probabilities", difference, CLOUD_TOLERANCE)
    return difference


def check_client(name, reference, distill, classify):
    """How far a client half is from the network; UserError beyond TOLERANCES[name].

    Args:
        name: key of TOLERANCES.
        reference: Reference.
        distill: uint8 (1, T, H, W, 3) -> dict with DISTILLED_FRAMES and TRANSFORMATION_MATRIX.
        classify: as in `check_cloud`.

    Returns:
        Differences.
    """
    matrices, frames = [], []
    for clip in reference.clips:
        answer = distill(frames=clip[None])
        matrices.append(np.asarray(answer[signatures.TRANSFORMATION_MATRIX])[0])
        frames.append(np.asarray(answer[signatures.DISTILLED_FRAMES])[0])
    probabilities = np.stack([_classify(classify, distilled) for distilled in frames])
    # NumPy's maximum, unlike Python's, hands NaN on.
    levels = np.abs(np.stack(frames).astype("int16") - reference.distilled_frames)
    differences = Differences(
        transformation_matrix=float(np.abs(np.stack(matrices) - reference.transformation_matrices).max()),
        distilled_frames=float(levels.max()),
        distilled_frames_mean=float(levels.mean()),
        probabilities=float(np.abs(probabilities - reference.probabilities).max()),
        top1_agreement=float(np.mean(probabilities.argmax(axis=1) == reference.probabilities.argmax(axis=1))),
    )
    limits = TOLERANCES[name]
    for field in ("transformation_matrix", "distilled_frames", "distilled_frames_mean", "probabilities"):
        _require(f"client, {name}", field, getattr(differences, field), getattr(limits, field))
    return differences


def tflite_distill(contents, num_threads=2):
    """The `distill` signature of a TFLite file's bytes, as LiteRT runs it."""
    interpreter = Interpreter(model_content=contents, num_threads=num_threads)
    return interpreter.get_signature_runner(signatures.DISTILL)


def _classify(classify, frames):
    return np.asarray(classify(frames=frames[None])[signatures.PROBABILITIES])[0]


def _require(half, quantity, difference, tolerance):
    # Written so that NaN fails.
    if not difference <= tolerance:
        raise UserError(
            f"the exported {half} half is not the trained network: its {quantity} differ by {difference:.3g}, "
            f"allowed are {tolerance:g}; nothing was put in place"
        )


def _softmax(logits):
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()
