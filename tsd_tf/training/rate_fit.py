"""How many bytes a unit of the differentiable codec's cost takes, measured with a real encoder while it trains."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.layers import ClipCodec
from tsd_tf.network import FewFrameNetwork
from tsd_tf.video import codec
from tsd_tf.video.clip_coding import time_order

_CODEC = "h264"
_GREY = 128


class RateFit:
    """The bytes of a clip as `floor + scale * cost`: scale is fitted to clips that x264 encodes now and then.

    `floor` is what a clip of one grey takes: parameter sets, headers, the request's names. Least squares through it
    give the scale; older measurements count less and less, as the distilled frames change. Make it in the scope of the
    strategy.

    Args:
        network: the FewFrameNetwork that is trained, built.
        config: its Config, which gives the codec's quality.
        steps: between measurements.
        num_clips: the first clips of a batch that are encoded, at most.
        memory: the factor on older measurements at each new one.

    Attributes:
        clip_codec: the ClipCodec whose costs are fitted.
        floor: bytes.

    Raises:
        UserError: this machine's FFmpeg lacks the encoder.
    """

    def __init__(
        self, network: FewFrameNetwork, config: Config, steps: int = 20, num_clips: int = 8, memory: float = 0.9
    ) -> None:
        self.clip_codec = ClipCodec(config.codec_quality)
        self.quality = config.codec_quality
        self.steps = steps
        self.num_clips = num_clips
        self.memory = memory

        def variable(name: str) -> keras.Variable:
            return keras.Variable(0.0, dtype="float32", trainable=False, name=name)

        self.scale = variable("rate_scale")
        self.products = variable("bytes_times_cost")
        self.squares = variable("cost_squared")
        self.measured = variable("measured_kilobytes")
        shape = (config.num_distilled_frames, config.crop_size, config.crop_size, 3)
        self.floor = self._num_bytes(np.full(shape, _GREY, np.uint8))

        # XLA is several times slower for 3D convolutions on CPU, so it is never left to chance.
        @tf.function(jit_compile=False)
        def distilled(frames, seeds):
            inputs = to_network_input(frames)
            matrix = network.transformation_matrix(inputs, seeds=seeds, training=False)
            sent = network.frame_distillation(inputs, matrix)
            return to_uint8(sent), matrix, self.clip_codec(sent, matrix)[1]

        self._distilled = distilled

    @property
    def variables(self) -> list[keras.Variable]:
        """What a checkpoint has to hold."""
        return [self.scale, self.products, self.squares, self.measured]

    @property
    def values(self) -> dict[str, float]:
        """What a log tells: the mean kilobytes of the clips measured last, and the bytes of a unit of cost."""
        return {name: float(np.asarray(one)) for name, one in (("coded_kb", self.measured), ("rate_scale", self.scale))}

    def kilobytes(self, costs: Any) -> Any:
        """The kilobytes that clips of these costs take, as a tensor of this replica."""
        return (self.floor + tf.convert_to_tensor(self.scale) * costs) / 1e3

    def update(self, batch: dict[str, Any]) -> None:
        """Encodes clips of a distributed batch as they would travel; call it outside of the replicas."""
        frames, seeds = (getattr(batch[name], "values", (batch[name],))[0] for name in ("frames", "seed"))
        answers = self._distilled(frames[: self.num_clips], seeds[: self.num_clips])
        distilled, matrices, costs = (answer.numpy() for answer in answers)
        clips = zip(distilled, matrices, strict=True)
        sizes = np.array([self._num_bytes(clip, time_order(matrix)) for clip, matrix in clips])
        products = float(self.memory * np.asarray(self.products) + np.sum((sizes - self.floor) * costs))
        squares = float(self.memory * np.asarray(self.squares) + np.sum(costs**2))
        self.products.assign(products)
        self.squares.assign(squares)
        self.scale.assign(products / max(squares, 1e-9))
        self.measured.assign(sizes.mean() / 1e3)

    def _num_bytes(self, clip: np.ndarray, order: np.ndarray | None = None) -> int:
        return codec.encode(clip, _CODEC, self.quality, order=order).num_bytes
