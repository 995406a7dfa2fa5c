"""Both halves of an export, which answer to videos as they do when they are deployed apart."""

import pathlib
import warnings
from collections.abc import Callable

import numpy as np

from tsd_tf.client.distiller import Distiller
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.partner import Partner
from tsd_tf.client.rest_connection import RestConnection
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.inference.clip_format import ClipFormat
from tsd_tf.inference.model import Answer, Model
from tsd_tf.video import codec


class ExportedModel(Model):
    """The client half on LiteRT, and whatever answers to its distilled frames.

    Args:
        name: what it is shown as.
        distiller: the client half.
        classify: the cloud half: Y, uint8 (T_s, height, width, 3), to probabilities, float32 (num_classes,).
    """

    def __init__(self, name: str, distiller: Distiller, classify: Callable[[np.ndarray], np.ndarray]) -> None:
        of = distiller.model
        form = ClipFormat(
            num_frames=of.num_frames,
            num_distilled_frames=of.num_distilled_frames,
            frame_size=of.frame_size,
            short_side=of.short_side,
            frames_per_second=of.frames_per_second,
            square_pixels=of.square_pixels,
        )
        super().__init__(name, distiller.labels, form)
        self._distiller, self._classify = distiller, classify

    def answer(self, clip: np.ndarray) -> Answer:
        distilled, matrix = self._distiller.distill(clip)
        return Answer(self._classify(distilled), distilled, matrix)


def cloud_half(export_dir: pathlib.Path, distiller: Distiller) -> Callable[[np.ndarray], np.ndarray]:
    """`classify` by the export's own SavedModel, on TensorFlow in this process.

    Raises:
        UserError: there is none of the client half's version, or it is damaged.
        ModuleNotFoundError: TensorFlow is not installed.
    """
    from tsd_tf.engines import choice

    version = distiller.model.version
    path = export_dir / signatures.CLOUD_DIR / str(version)
    try:
        engine = choice.load(path, "tensorflow", "float32")
    except (OSError, ValueError) as error:
        if path.is_dir():
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"the cloud half in {path} cannot be loaded: {reason}") from error
        raise UserError(
            f"no cloud half: looked for version {version} of the client half as a SavedModel in {path}; "
            "python -m tsd_tf.export makes both, `server` names one that answers instead"
        ) from error

    def classify(distilled: np.ndarray) -> np.ndarray:
        answer = engine.call(signatures.SERVING_DEFAULT, {signatures.FRAMES: distilled[None]})
        return answer[signatures.PROBABILITIES][0]

    return classify


def server(address: str, distiller: Distiller) -> Callable[[np.ndarray], np.ndarray]:
    """`classify` by a server or a gateway, which gets the distilled frames as they are.

    Args:
        address: "host:port" of gRPC, or with grpc://, grpcs://, http:// or https:// before it; or unix:/path.
        distiller: the client half; the server's model must be of the same clips and classes.

    Raises:
        UserError: it is no address. What `classify` raises, see Connection and Partner.
    """
    kind = RestConnection if address.startswith(("http://", "https://")) else GrpcConnection
    connection = kind(address)
    partner = Partner(connection, distiller.model, distiller.labels, warnings.warn)

    def classify(distilled: np.ndarray) -> np.ndarray:
        partner.look()
        return partner.check(connection.classify(*codec.encode(distilled, "raw"))).probabilities

    return classify
