"""The client half on LiteRT."""

import hashlib
import os
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError


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
        path = pathlib.Path(path)
        sidecar = path.with_name(signatures.SIDECAR_FILE)
        try:
            contents = path.read_bytes()
            self.model = signatures.ClientModel.from_json(sidecar.read_text())
            self.labels = path.with_name(signatures.LABELS_FILE).read_text().splitlines()
        except OSError as error:
            raise UserError(
                f"no client half: looked for {path} with {signatures.SIDECAR_FILE} and {signatures.LABELS_FILE} beside "
                f"it, but {error.filename} is missing; python -m tsd_tf.export makes them"
            ) from error
        except ValueError as error:
            raise UserError(f"{sidecar}: {error}") from error
        hashes = {variant.file: variant.sha256 for variant in self.model.variants}
        if hashes.get(path.name) != hashlib.sha256(contents).hexdigest():
            raise UserError(f"{path} is not the file that {sidecar} describes; export again, or copy both files")
        self._interpreter = Interpreter(model_content=contents, num_threads=num_threads)
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
        """As `distill`, from frames whose coarse features, float32 (T, h, w, c), are already known."""
        return self._answer(self._runners[signatures.DISTILL_FEATURES](frames=clip[None], features=features[None]))

    @staticmethod
    def _answer(outputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        # LiteRT's arrays are already copies of its memory.
        frames, matrix = outputs[signatures.DISTILLED_FRAMES], outputs[signatures.TRANSFORMATION_MATRIX]
        return np.asarray(frames)[0], np.asarray(matrix)[0]
