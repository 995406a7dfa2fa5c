"""The TSD block in the operations that LiteRT is fast at."""

from typing import Any

import numpy as np
import tensorflow as tf

from tsd_tf.layers import TSDBlock
from tsd_tf.layers.tsd_block import automatic_scale


class LiteTSDBlock:
    """The mathematics of a TSDBlock (Equations 2 to 4), for one clip, in two-dimensional operations.

    LiteRT's Conv3D runs on one thread, as a matrix of copies, and has no int8 kernel; its Conv2D, fully connected and
    matrix operations have fast ones. So w_beta is a 2D convolution over (C', H), the map's width among its channels:
    its kernel holds zeros where a column of the map is out of reach. And G'O' = (f w_gamma)'O' is computed as
    f'(w_gamma O'), which needs T_s / T of the multiplications.

    Args:
        block: built.
        feature_shape: (h, w, c) of the coarse features of one frame.

    Attributes:
        weights: the tf.Variables that calling it reads.
    """

    def __init__(self, block: TSDBlock, feature_shape: tuple[int, int, int]) -> None:
        self._block = block
        self._feature_shape = feature_shape
        self._gamma = np.asarray(block.w_gamma.kernel)
        kernel = _fold_width(np.asarray(block.w_beta.kernel), feature_shape[1])
        self._w_alpha = tf.Variable(np.asarray(block.w_alpha.kernel), trainable=False, name="w_alpha")
        self._w_beta = tf.Variable(kernel, trainable=False, name="w_beta")
        # Stored as it is read, output channels first.
        self._w_gamma = tf.Variable(self._gamma, trainable=False, name="w_gamma")
        self.weights = [self._w_alpha, self._w_beta, self._w_gamma]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """float32 (T, h, w, c) -> P transposed, float32 (T_s, T); every row sums to 1."""
        num_frames, num_distilled_frames = features.shape[0], self._block.num_distilled_frames
        height, width, channels = self._feature_shape
        embedding = self._block.embedding_channels
        temporal = tf.matmul(tf.reshape(features, (-1, channels)), self._w_alpha)
        # (T, H, W, C') to (C', H, W, T), W and T as one axis.
        temporal = tf.transpose(tf.reshape(temporal, (num_frames, height, width, embedding)), (3, 1, 2, 0))
        temporal = tf.reshape(temporal, (1, embedding, height, width * num_frames))
        temporal = tf.nn.conv2d(temporal, self._w_beta, 1, "SAME")
        # (C', H, W, T_s) to (T_s, H, W, C').
        temporal = tf.reshape(temporal, (embedding, height, width, num_distilled_frames))
        temporal = tf.reshape(tf.transpose(temporal, (3, 1, 2, 0)), (-1, embedding))
        scale = self._scale(features, temporal)
        temporal = tf.matmul(temporal, self._w_gamma, transpose_b=True)
        # LiteRT copies the second factor into an order of its own, so that is the one with fewer frames.
        logits = tf.matmul(
            tf.reshape(features, (1, num_frames, -1)),
            tf.reshape(temporal, (1, num_distilled_frames, -1)),
            transpose_b=True,
        )
        logits = tf.transpose(tf.reshape(logits, (num_frames, -1)))
        matrix = tf.nn.softmax(logits * scale)
        if not self._block.in_time_order:
            return matrix
        times = tf.reduce_sum(matrix * tf.range(num_frames, dtype=tf.float32), axis=1)
        return tf.gather(matrix, tf.math.top_k(-times, k=num_distilled_frames).indices)

    def _scale(self, features: tf.Tensor, temporal: tf.Tensor) -> Any:
        """The factor on the logits: a number, or float32 (T_s, 1)."""
        if self._block.logit_scale != "auto":
            return self._block.logit_scale
        temporal = tf.reshape(temporal, (1, self._block.num_distilled_frames, -1))
        # Of rank 4: delegates know no higher one.
        features = tf.reshape(features, (1, features.shape[0], -1, features.shape[-1]))
        return tf.reshape(automatic_scale(features, self._gamma, tf.transpose(temporal, (0, 2, 1))), (-1, 1))


def _fold_width(kernel: np.ndarray, width: int) -> np.ndarray:
    """A SAME 3D kernel over (H, W, C') as a 2D one over (C', H), W among the channels.

    Args:
        kernel: (k, k, k, T, T_s).
        width: W.

    Returns:
        (k, k, W T, W T_s): [depth, row, column * T + t, column' * T_s + s].
    """
    size, _, _, num_frames, num_distilled_frames = kernel.shape
    before = (size - 1) // 2
    folded = np.zeros((size, size, width, num_frames, width, num_distilled_frames), kernel.dtype)
    for column in range(width):
        for target in range(width):
            offset = column - target + before
            if 0 <= offset < size:
                folded[:, :, column, :, target] = kernel[:, offset].swapaxes(0, 1)
    return folded.reshape(size, size, width * num_frames, width * num_distilled_frames)
