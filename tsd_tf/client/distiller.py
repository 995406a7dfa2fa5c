"""The client half on LiteRT."""

import os

import numpy as np

from tsd_tf.client.exported_client import ExportedClient
from tsd_tf.contract import lite_interpreter, signatures


class Distiller:
    """Distils clips with an exported client half.

    Args:
        path: a .tflite file of the export, with client.json and labels.txt beside it.
        num_threads: of LiteRT.

    Attributes:
        model: what client.json says.
        labels: the class names, by label.

    Raises:
        UserError: a file is missing, or they are not of one export.
    """

    def __init__(self, path: str | os.PathLike, num_threads: int = 2) -> None:
        exported = ExportedClient.read(path)
        self.model, self.labels = exported.model, exported.labels
        self._interpreter = lite_interpreter.load(exported.contents, num_threads)
        self._runners = {name: self._interpreter.get_signature_runner(name) for name in self.model.signatures}

    def distill(self, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distils a whole clip at once.

        Args:
            clip: uint8 RGB (T, H, W, 3).

        Returns:
            (Y, P): uint8 (T_s, H, W, 3) and float32 (T, T_s).
        """
        return self._answer(self._runners[signatures.DISTILL](frames=clip[None]))

    @property
    def can_stream(self) -> bool:
        """Whether frames can be encoded one by one as they arrive; only learned selectors look at frames."""
        return signatures.ENCODE_FRAME in self._runners

    def encode_frame(self, frame: np.ndarray) -> np.ndarray:
        """The coarse features, float32 (h, w, c), of one uint8 RGB frame (H, W, 3)."""
        return self._runners[signatures.ENCODE_FRAME](frame=frame[None])[signatures.FEATURES][0]

    def distill_features(self, clip: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `distill`, from frames of which the coarse features of every coarse_stride-th are already known.

        Args:
            clip: uint8 RGB (T, H, W, 3).
            features: float32 (T', h, w, c), of clip[::model.coarse_stride].
        """
        return self._answer(self._runners[signatures.DISTILL_FEATURES](frames=clip[None], features=features[None]))

    @staticmethod
    def _answer(outputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        # LiteRT's arrays are already copies of its memory.
        frames, matrix = outputs[signatures.DISTILLED_FRAMES], outputs[signatures.TRANSFORMATION_MATRIX]
        return np.asarray(frames)[0], np.asarray(matrix)[0]
