"""The exported halves under test: client on LiteRT, codec, cloud SavedModel."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from tsd_tf.client.distiller import Distiller
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.video import clip_coding, codec

_JPEG_QUALITY = 90


class ExportedHalves:
    """Classifies clips as they are deployed: distilled on LiteRT, encoded, classified by the cloud half of the export.

    Args:
        export_dir: what `python -m tsd_tf.export` wrote.
        variant: of the client half: "float32", "float16" or "int8".
        codec_name: how the distilled frames travel: "raw", "png", "jpeg", or as a short video, one of
            clip_coding.VIDEO_CODECS.
        quality: of JPEG, 1 to 100; or of a video codec, see clip_coding.encode. None for the others, and a default.

    Attributes:
        model: ClientModel, the sidecar of the client half.
        labels: the class names, by label.

    Raises:
        UserError: a file is missing, or the halves do not belong together.
    """

    def __init__(self, export_dir: str | os.PathLike, variant: str, codec_name: str, quality: int | None) -> None:
        export_dir = pathlib.Path(export_dir)
        self._distiller = Distiller(export_dir / signatures.tflite_file(variant))
        self._codec_name, self._quality = codec_name, quality
        self.model, self.labels = self._distiller.model, self._distiller.labels
        path = export_dir / signatures.CLOUD_DIR / str(self.model.version)
        try:
            self._cloud = tf.saved_model.load(str(path))
        except (OSError, ValueError) as error:
            raise UserError(
                f"no cloud half: looked for version {self.model.version} of the client half as a SavedModel in {path}; "
                "python -m tsd_tf.export makes both"
            ) from error
        self._bytes = self._clips = 0

    @property
    def mean_bytes_sent(self) -> float:
        """Mean bytes of a clip's frames as they travelled, over all clips classified so far."""
        return self._bytes / self._clips

    def __call__(self, frames: tf.Tensor, seeds: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Classifies clips.

        Args:
            frames: uint8 tensor (B, T, h, w, 3).
            seeds: not used: a client half whose method draws frames at random draws its own.

        Returns:
            (probabilities, distilled frames): float32 (B, num_classes) and uint8 (B, T_s, h, w, 3), before the codec.
        """
        distilled, matrices = map(np.stack, zip(*map(self._distiller.distill, frames.numpy()), strict=True))
        if self._codec_name in clip_coding.VIDEO_CODECS:
            encoded = list(map(self._through_video, distilled, matrices))
        else:
            encoded = [codec.encode(clip, self._codec_name, self._quality or _JPEG_QUALITY) for clip in distilled]
        signature, name = encoded[0][:2]
        tensor = tf.constant(np.concatenate([tensor for _, _, tensor, _ in encoded]))
        self._bytes += sum(num_bytes for *_, num_bytes in encoded)
        self._clips += len(encoded)
        answer = self._cloud.signatures[signature](**{name: tensor})
        return answer[signatures.PROBABILITIES].numpy(), distilled

    def _through_video(self, frames: np.ndarray, matrix: np.ndarray) -> tuple[str, str, np.ndarray, int]:
        """As codec.encode, for what arrives of frames that travel as a video, in time order."""
        order = clip_coding.time_order(matrix)
        packets = clip_coding.encode(frames[order], self._codec_name, self._quality)
        received = np.empty_like(frames)
        received[order] = clip_coding.decode(packets, self._codec_name, frames.shape[:3])
        return *codec.encode(received, "raw")[:3], sum(map(len, packets))
