"""The contract between export, server and client: names of signatures and tensors, and the client's sidecar.

Imports no library, so that the client can read it.
"""

import dataclasses
import json

# Signatures of the cloud half. All answer with LOGITS, PROBABILITIES, CLASSES and SCORES.
SERVING_DEFAULT = "serving_default"  # FRAMES: uint8 (batch, T_s, H, W, 3)
JPEG = "jpeg"  # FRAMES_BYTES: string (batch, T_s), each a JPEG or PNG picture of H x W
VIDEO = "video"  # FRAMES: uint8 (batch, Q, T_s, H, W, 3); probabilities averaged over the Q clips of each video

# One signature more, which the gateway understands: clips as short videos, decoded there. The same answers.
# PACKETS: string (batch, P), the coded pictures of each clip in the order of decoding, "" where there are fewer than P;
# CODEC: string (batch,), its name; ORDER: uint8 (batch, T_s), the k-th picture shown is distilled frame ORDER[k]
CODED = "coded"
PACKETS = "packets"
CODEC = "codec"
ORDER = "order"

# Signatures of the client half, batch size 1.
DISTILL = "distill"  # FRAMES: uint8 (1, T, H, W, 3)
ENCODE_FRAME = "encode_frame"  # FRAME: uint8 (1, H, W, 3) -> FEATURES: float32 (1, h, w, c)
# FRAMES: uint8 (1, T, H, W, 3), FEATURES: float32 (1, T', h, w, c), of every coarse_stride-th frame from the first on
DISTILL_FEATURES = "distill_features"

FRAME = "frame"
FRAMES = "frames"
FRAMES_BYTES = "frames_bytes"
FEATURES = "features"
DISTILLED_FRAMES = "distilled_frames"  # uint8 (1, T_s, H, W, 3)
TRANSFORMATION_MATRIX = "transformation_matrix"  # float32 (1, T, T_s)
LOGITS = "logits"  # float32 (batch, num_classes); of VIDEO the mean over clips
PROBABILITIES = "probabilities"  # float32 (batch, num_classes)
CLASSES = "classes"  # string (batch, k): the names of the k = min(5, num_classes) likeliest classes, likeliest first
SCORES = "scores"  # float32 (batch, k): their probabilities
TOP_K = 5

MODEL_NAME = "tsd"

CLOUD_DIR = "cloud"
CLIENT_DIR = "client"
LABELS_FILE = "labels.txt"
SIDECAR_FILE = "client.json"
REPORT_FILE = "report.json"  # how far both halves, in every form, differ from the Keras network

# Beside the SavedModel of a version of the cloud half.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"  # where TensorFlow Serving looks for them; some with answers
OPENVINO_DIR = "assets.extra/openvino"
# In OPENVINO_DIR: a SavedModel of what is not the main network. Its signatures are JPEG, FRAMES_BYTES to FRAMES;
# SERVING_DEFAULT, LOGITS (batch, num_classes) to the answer; VIDEO, LOGITS (batch, Q, num_classes) to the answer.
OPENVINO_REST = "rest"


def openvino_file(precision: str) -> str:
    """In OPENVINO_DIR: the main network, FRAMES to LOGITS; float32 and bfloat16 share one."""
    return "network_int8.xml" if precision == "int8" else "network.xml"


def tflite_file(variant: str) -> str:
    """The file name of a TFLite variant: client.tflite for float32, otherwise client_<variant>.tflite."""
    return "client.tflite" if variant == "float32" else f"client_{variant}.tflite"


@dataclasses.dataclass(frozen=True)
class Variant:
    """One file of the client half and how far it differs from the Keras network on the clips of the export.

    Attributes:
        name: "float32", "float16" or "int8".
        file: file name beside the sidecar.
        num_bytes, sha256: of the file.
        transformation_matrix_difference: largest absolute difference of P, of whole clips and of frames one by one.
        distilled_frames_difference: largest absolute difference of Y, in levels of 255.
        distilled_frames_mean_difference: mean absolute difference of Y, in levels of 255.
        logits_difference, probabilities_difference: largest absolute differences after the cloud half.
        top1_agreement: share of the clips for which it finds the same likeliest class as the network.
    """

    name: str
    file: str
    num_bytes: int
    sha256: str
    transformation_matrix_difference: float
    distilled_frames_difference: float
    distilled_frames_mean_difference: float
    logits_difference: float
    probabilities_difference: float
    top1_agreement: float


@dataclasses.dataclass(frozen=True)
class ClientModel:
    """What `client.json` says of the client half beside it.

    Attributes:
        version: number of the export; its partner is the cloud half of the same number.
        method: "tsd", "i3d_e" or "i3d".
        num_frames, num_distilled_frames: T and T_s.
        frame_size: edge of the square RGB frames that go in and come out, pixels; values 0 to 255.
        short_side: pixels that a video's short side is resized to before the centre crop.
        frames_per_second: rate of the frames of a clip.
        square_pixels: whether a video's ratio of the pixels' sides is obeyed.
        coarse_stride: frames from one whose features P is made of to the next.
        num_classes: classes of the cloud half.
        feature_shape: (h, w, c) of the coarse features of one frame, or None where the method has none.
        signatures: names of the signatures in the TFLite files.
        variants: a Variant for each TFLite file.
        value_range: lowest and highest value of the frames that go in and come out.
    """

    version: int
    method: str
    num_frames: int
    num_distilled_frames: int
    frame_size: int
    short_side: int
    frames_per_second: float
    num_classes: int
    feature_shape: tuple[int, int, int] | None
    signatures: tuple[str, ...]
    variants: tuple[Variant, ...]
    value_range: tuple[int, int] = (0, 255)
    square_pixels: bool = False
    coarse_stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "signatures", tuple(self.signatures))
        object.__setattr__(self, "value_range", tuple(self.value_range))
        object.__setattr__(self, "variants", tuple(self.variants))
        if self.feature_shape is not None:
            object.__setattr__(self, "feature_shape", tuple(self.feature_shape))

    def to_json(self) -> str:
        """The sidecar's text, readable by `from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ClientModel":
        """Reads what `to_json` wrote; raises ValueError on anything else."""
        try:
            values = json.loads(text)
            values["variants"] = tuple(Variant(**variant) for variant in values["variants"])
            return cls(**values)
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"not the sidecar of a client half of this version of tsd_tf: {error}") from error
