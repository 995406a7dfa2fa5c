"""The exported halves under test: client on LiteRT, codec, cloud SavedModel."""

import collections
import concurrent.futures
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tsd_tf.client.distiller import Distiller
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.engines import choice
from tsd_tf.evaluation.coding import DISTILLED, UNIFORM, WHOLE_CLIP, WHOLE_CLIP_UNIFORM, Coding
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import Uniform
from tsd_tf.video import clip_coding, codec


class ExportedHalves:
    """Classifies clips as they are deployed: distilled on LiteRT, encoded, classified by the cloud half of the export.

    Beside that, if asked for, what anyone would do instead: send the whole clip, or uniform frames of it.

    Args:
        export_dir: what `python -m tsd_tf.export` wrote.
        variant: of the client half: "float32", "float16" or "int8".
        codings: how the clips travel; each gives an answer of its own.
        uniform: a FewFrameNetwork, whose main network answers where uniform frames are sent or used.
        engine, precision: what runs the cloud half; see tsd_tf.engines.choice.load.

    Attributes:
        model: ClientModel, the sidecar of the client half.
        labels: the class names, by label.
        codings: as given.
        precision: what the cloud half computes in.

    Raises:
        UserError: a file is missing, or the halves do not belong together.
    """

    def __init__(
        self,
        export_dir: str | os.PathLike,
        variant: str,
        codings: Sequence[Coding],
        uniform: FewFrameNetwork | None = None,
        engine: str = "tensorflow",
        precision: str = "float32",
    ) -> None:
        export_dir = pathlib.Path(export_dir)
        self._distiller = Distiller(export_dir / signatures.tflite_file(variant))
        self.codings = tuple(codings)
        self.model, self.labels = self._distiller.model, self._distiller.labels
        path = export_dir / signatures.CLOUD_DIR / str(self.model.version)
        try:
            self._cloud = choice.load(path, engine, precision)
        except UserError:
            raise
        except (OSError, ValueError) as error:
            raise UserError(
                f"no cloud half: looked for version {self.model.version} of the client half as a SavedModel in {path}; "
                "python -m tsd_tf.export makes both"
            ) from error
        self.precision = self._cloud.precision
        self._uniform_indices = Uniform(self.model.num_frames, self.model.num_distilled_frames).indices()
        self._bytes: collections.Counter[Coding] = collections.Counter()
        self._clips = 0

        @tf.function(jit_compile=False, reduce_retracing=True)  # as in NetworkClassifier
        def answer_to_uniform_frames(frames):
            return tf.nn.softmax(tf.cast(uniform.cloud(to_network_input(frames), training=False), tf.float32))

        self._answer_to_uniform_frames = answer_to_uniform_frames

    def mean_bytes(self, coding: Coding) -> float:
        """Mean bytes of a clip as it travelled, over all clips classified so far."""
        return self._bytes[coding] / self._clips

    def __call__(self, frames: tf.Tensor, seeds: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Classifies clips.

        Args:
            frames: uint8 tensor (B, T, h, w, 3).
            seeds: not used: a client half whose method draws frames at random draws its own.

        Returns:
            (probabilities, distilled frames): float32 (B, number of codings, num_classes) and uint8
            (B, T_s, h, w, 3), before the codec.
        """
        clips = frames.numpy()
        distilled, matrices = self._distill(clips)
        in_time_order = [None] * len(clips)
        sources: dict[str, tuple[np.ndarray, Sequence[np.ndarray | None]]] = {
            DISTILLED: (distilled, list(map(clip_coding.time_order, matrices))),
            WHOLE_CLIP: (clips, in_time_order),
            UNIFORM: (clips[:, self._uniform_indices], in_time_order),
        }
        answers = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1, "encode") as pool:
            # All are under way before the first is asked for: the others are encoded while the networks work.
            sent = {
                coding: [pool.submit(coding.encode, *clip) for clip in zip(*sources[coding.what], strict=True)]
                for coding in dict.fromkeys(coding.sent for coding in self.codings)
            }
            for coding in self.codings:
                encoded = [future.result() for future in sent[coding.sent]]
                self._bytes[coding] += sum(clip.num_bytes for clip in encoded)
                answers.append(self._answer(coding, encoded, pool))
        self._clips += len(clips)
        return np.stack(answers, axis=1), distilled

    def _distill(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        frames, matrices = zip(*map(self._distiller.distill, clips), strict=True)
        return np.stack(frames), np.stack(matrices)

    def _answer(
        self, coding: Coding, encoded: list[codec.EncodedClip], pool: concurrent.futures.Executor
    ) -> np.ndarray:
        """Probabilities (B, num_classes) of clips as they arrive."""
        if coding.what == DISTILLED and encoded[0].signature != signatures.CODED:
            return self._ask(encoded)  # which the cloud half reads itself
        num_frames = self.model.num_frames if coding.sent.what == WHOLE_CLIP else self.model.num_distilled_frames
        shape = (num_frames, self.model.frame_size, self.model.frame_size)
        received = np.stack(list(pool.map(coding.decode, encoded, [shape] * len(encoded))))
        if coding.what == WHOLE_CLIP:
            received, _ = self._distill(received)
        if coding.what == WHOLE_CLIP_UNIFORM:
            received = received[:, self._uniform_indices]
        if coding.what in (WHOLE_CLIP_UNIFORM, UNIFORM):
            return self._answer_to_uniform_frames(tf.constant(received)).numpy()
        return self._ask([codec.encode(clip, "raw") for clip in received])

    def _ask(self, clips: list[codec.EncodedClip]) -> np.ndarray:
        inputs = {name: np.concatenate([clip.inputs[name] for clip in clips]) for name in clips[0].inputs}
        return self._cloud.call(clips[0].signature, inputs)[signatures.PROBABILITIES]
