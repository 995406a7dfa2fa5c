"""The client half as TensorFlow functions: what LiteRT runs on the device."""

from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from tsd_tf.contract import signatures
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export.lite_tsd_block import LiteTSDBlock
from tsd_tf.network import FewFrameNetwork

# Y = XP runs on bands of the clip whose float32 values stay in a core's cache while they are multiplied.
_BAND_BYTES = 2 * 1024 * 1024


class ClientHalf:
    """A clip of T uint8 frames -> T_s distilled uint8 frames and P.

    The mathematics are the Keras network's, arranged for LiteRT: frames are made small before they are normalised,
    the TSD block is a LiteTSDBlock, and Y = XP works on levels of 0 to 255, band by band. A selector of the user's own
    that is no CoarseSelector is called as it is, on normalised frames of full size.

    Args:
        network: built.
        frame_size: edge of its frames, pixels.

    Attributes:
        weights: the tf.Variables that the signatures read.
        feature_shape: (h, w, c) of the coarse features of one frame; None where P is not made of these alone, by a TSD
            block.
        coarse_stride: see CoarseSelector; 1 for other selectors.
    """

    def __init__(self, network: FewFrameNetwork, frame_size: int) -> None:
        self.frame_size = frame_size
        self._selector = network.selector
        self.weights = [variable.value for variable in self._selector.variables]
        self._tsd_block: Any = None
        self._constant: np.ndarray | None = None
        self.feature_shape: tuple[int, int, int] | None = None
        self.coarse_stride = self._selector.coarse_stride if self._selector.is_coarse else 1
        block, extractor = self._selector.tsd_block, self._selector.coarse_extractor
        if self._selector.is_coarse and block is not None:
            self.feature_shape = tuple(extractor.output_shape[1:])
            self._tsd_block = LiteTSDBlock(block, self.feature_shape)
            self.weights = [variable.value for variable in extractor.weights] + self._tsd_block.weights
        elif not self._selector.looks_at_frames:
            matrix = network.transformation_matrix(ops.zeros((1, self._selector.num_frames, 1, 1, 3)))
            self._constant = np.asarray(matrix)[0].T

    def _coarse(self, frames):
        levels = tf.cast(frames, tf.float32)
        # Scaling a picture and scaling its values commute, and the small copy has a quarter of the values.
        size = (self._selector.coarse_size, self._selector.coarse_size)
        if tuple(levels.shape[1:3]) != size:
            levels = ops.image.resize(levels, size, interpolation="bilinear")
        return to_network_input(levels)

    def _seen(self, frames):
        if self.coarse_stride == 1:
            return frames
        # LiteRT copies what lies along the last axis at once: a frame, and not a pixel.
        flat = tf.reshape(frames, (frames.shape[0], -1))
        return tf.reshape(flat[:: self.coarse_stride], (-1, *frames.shape[1:]))

    def _transposed_matrix(self, frames):
        if self._constant is not None:
            return tf.constant(self._constant)
        if self._tsd_block:
            seen = self._coarse(self._seen(frames))
            return self._matrix_of_features(self._selector.encode_frames(seen, training=False))
        seen = self._coarse(frames) if self._selector.is_coarse else to_network_input(frames)
        return tf.transpose(self._selector(seen[None], training=False)[0])

    def _matrix_of_features(self, features):
        shares = self._selector.interpolation
        if shares is not None:
            features = tf.matmul(tf.constant(shares)[None], tf.reshape(features, (1, shares.shape[1], -1)))
            features = tf.reshape(features, (len(shares), *self.feature_shape))
        return self._tsd_block(features)

    def _answer(self, frames, transposed_matrix):
        # The columns of P are weights that sum to 1. So (X / 127.5 - 1) P = XP / 127.5 - 1, Equation 1 holds for
        # levels too, and no distilled level leaves 0 to 255.
        num_frames, size = frames.shape[0], self.frame_size
        values = _band_rows(num_frames, size) * size * 3
        # LiteRT's fast product takes three axes, and its slices copy what lies along the last one.
        matrix = tf.reshape(transposed_matrix, (1, -1, num_frames))
        frames = tf.reshape(frames, (1, num_frames, -1))
        bands = []
        for start in range(0, frames.shape[2], values):
            # Each band is taken when it is its turn: taken all at once, the first is cold when it is multiplied.
            with tf.control_dependencies([bands[-1] if bands else matrix]):
                band = tf.slice(frames, (0, 0, start), (1, num_frames, values))
            bands.append(tf.cast(tf.round(tf.matmul(matrix, tf.cast(band, tf.float32))), tf.uint8))
        distilled = bands[0] if len(bands) == 1 else tf.concat(bands, axis=2)
        return {
            signatures.DISTILLED_FRAMES: tf.reshape(distilled, (1, -1, size, size, 3)),
            signatures.TRANSFORMATION_MATRIX: tf.reshape(tf.transpose(transposed_matrix), (1, num_frames, -1)),
        }

    def distill(self, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 (1, T, H, W, 3) -> Y, uint8 (1, T_s, H, W, 3), and P, float32 (1, T, T_s)."""
        frames = tf.squeeze(frames, 0)
        return self._answer(frames, self._transposed_matrix(frames))

    def encode_frame(self, frame: tf.Tensor) -> dict[str, tf.Tensor]:
        """One frame, uint8 (1, H, W, 3) -> its coarse features, float32 (1, h, w, c)."""
        coarse = self._coarse(frame)
        return {signatures.FEATURES: self._selector.encode_frames(coarse, training=False)}

    def distill_features(self, frames: tf.Tensor, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """A clip, uint8 (1, T, H, W, 3), and the features of every coarse_stride-th frame -> as `distill`."""
        return self._answer(tf.squeeze(frames, 0), self._matrix_of_features(tf.squeeze(features, 0)))

    def signatures(self) -> dict[str, Any]:
        """The signatures as TensorFlow functions, by name; see tsd_tf.contract.signatures."""
        frame = (self.frame_size, self.frame_size, 3)
        num_frames = self._selector.num_frames
        clip = tf.TensorSpec((1, num_frames, *frame), tf.uint8, signatures.FRAMES)
        arguments: dict[str, tuple[Any, list[tf.TensorSpec]]] = {signatures.DISTILL: (self.distill, [clip])}
        if self.feature_shape is not None:
            picture = tf.TensorSpec((1, *frame), tf.uint8, signatures.FRAME)
            num_seen = len(range(0, num_frames, self.coarse_stride))
            features = tf.TensorSpec((1, num_seen, *self.feature_shape), tf.float32, signatures.FEATURES)
            arguments[signatures.ENCODE_FRAME] = (self.encode_frame, [picture])
            arguments[signatures.DISTILL_FEATURES] = (self.distill_features, [clip, features])
        return {name: tf.function(*given, autograph=False) for name, given in arguments.items()}


def _band_rows(num_frames, size):
    """Rows of a band: the most that divide `size` and let the band of all frames fit into _BAND_BYTES, at least 1."""
    fitting = _BAND_BYTES // (num_frames * size * 3 * 4)
    return max(rows for rows in range(1, size + 1) if size % rows == 0 and rows <= max(fitting, 1))
