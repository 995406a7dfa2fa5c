"""The exported halves under test: client on LiteRT, codec, cloud SavedModel."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from tsd_tf.client.distiller import Distiller
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.video import clip_coding, codec


class ExportedHalves:
    """Classifies clips as they are deployed: distilled on LiteRT, encoded, classified by the cloud half of the export.

    Args:
        export_dir: what `python -m tsd_tf.export` wrote.
        variant: of the client half: "float32", "float16" or "int8".
        codec_name: how the distilled frames travel, one of codec.CODECS.
        quality: see codec.encode.

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
        encoded = list(map(self._encode, distilled, matrices))
        received = [self._received(clip) for clip in encoded]
        signature = received[0].signature
        inputs = {name: np.concatenate([clip.inputs[name] for clip in received]) for name in received[0].inputs}
        self._bytes += sum(clip.num_bytes for clip in encoded)
        self._clips += len(encoded)
        answer = self._cloud.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return answer[signatures.PROBABILITIES].numpy(), distilled

    def _encode(self, frames: np.ndarray, matrix: np.ndarray) -> codec.EncodedClip:
        return codec.encode(frames, self._codec_name, self._quality, order=clip_coding.time_order(matrix))

    def _received(self, clip: codec.EncodedClip) -> codec.EncodedClip:
        """What the cloud half is asked, behind a gateway that decodes what it does not read itself."""
        if clip.signature != signatures.CODED:
            return clip
        shape = (self.model.num_distilled_frames, self.model.frame_size, self.model.frame_size)
        return codec.encode(codec.decode_inputs(clip.inputs, shape)[0], "raw")
