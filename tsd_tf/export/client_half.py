"""The client half as TensorFlow functions: what LiteRT runs on the device."""

import tensorflow as tf
from keras import ops

from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export import signatures
from tsd_tf.selectors import TSD


class ClientHalf:
    """A clip of T uint8 frames -> T_s distilled uint8 frames and P.

    Args:
        network: a FewFrameNetwork, built.
        frame_size: edge of its frames, pixels.

    Attributes:
        weights: the tf.Variables that the signatures read.
    """

    def __init__(self, network, frame_size):
        self.frame_size = frame_size
        self.weights = [variable.value for variable in network.selector.weights]
        self._network = network
        # A selector without weights does not look at the frames: its P is a constant.
        self._matrix = None
        if not self.weights:
            self._matrix = network.transformation_matrix(ops.zeros((1, network.selector.num_frames, 1, 1, 3)))

    @property
    def feature_shape(self):
        """(h, w, c) of the coarse features of one frame; None where the selector does not look at the frames."""
        selector = self._network.selector
        return tuple(selector.coarse_extractor.output_shape[1:]) if isinstance(selector, TSD) else None

    def _answer(self, frames, matrix):
        # The columns of P sum to 1, so (X / 127.5 - 1) P = XP / 127.5 - 1: Equation 1 holds for levels of 0 to 255 too.
        levels = self._network.frame_distillation(ops.cast(frames, "float32"), matrix)
        return {
            signatures.DISTILLED_FRAMES: ops.cast(ops.clip(ops.round(levels), 0.0, 255.0), "uint8"),
            signatures.TRANSFORMATION_MATRIX: matrix,
        }

    def distill(self, frames):
        """uint8 (1, T, H, W, 3) -> Y, uint8 (1, T_s, H, W, 3), and P, float32 (1, T, T_s)."""
        matrix = self._matrix
        if matrix is None:
            matrix = self._network.transformation_matrix(to_network_input(frames), training=False)
        return self._answer(frames, matrix)

    def encode_frame(self, frame):
        """One frame, uint8 (1, H, W, 3) -> its coarse features, float32 (1, h, w, c)."""
        return {signatures.FEATURES: self._network.selector.encode_frames(to_network_input(frame), training=False)}

    def distill_features(self, frames, features):
        """A clip, uint8 (1, T, H, W, 3), and the features of its frames, float32 (1, T, h, w, c) -> as `distill`."""
        return self._answer(frames, self._network.selector.tsd_block(features))

    def signatures(self):
        """The signatures as concrete functions, by name; see tsd_tf.export.signatures."""
        frame = (self.frame_size, self.frame_size, 3)
        num_frames = self._network.selector.num_frames
        clip = tf.TensorSpec((1, num_frames, *frame), tf.uint8, signatures.FRAMES)
        functions = {signatures.DISTILL: (self.distill, [clip])}
        if self.feature_shape is not None:
            functions[signatures.ENCODE_FRAME] = (
                self.encode_frame,
                [tf.TensorSpec((1, *frame), tf.uint8, signatures.FRAME)],
            )
            functions[signatures.DISTILL_FEATURES] = (
                self.distill_features,
                [clip, tf.TensorSpec((1, num_frames, *self.feature_shape), tf.float32, signatures.FEATURES)],
            )
        return {
            name: tf.function(method, autograph=False).get_concrete_function(*specs)
            for name, (method, specs) in functions.items()
        }
