"""Inception-v1 I3D, the paper's main network (Carreira and Zisserman, 2017)."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.inception_block import InceptionBlock
from tsd_tf.layers.unit_3d import Unit3D
from tsd_tf.main_networks.main_network import MainNetwork

# Endpoint names are DeepMind's. Shapes are (T, 224, 224, 3) clips, t = T / 2, rounded up.
_ARCHITECTURE = (
    ("Conv3d_1a_7x7", "conv", (64, 7, 2)),  # t, 112, 112, 64
    ("MaxPool3d_2a_3x3", "pool", ((1, 3, 3), (1, 2, 2))),  # t, 56, 56, 64
    ("Conv3d_2b_1x1", "conv", (64, 1, 1)),  # t, 56, 56, 64
    ("Conv3d_2c_3x3", "conv", (192, 3, 1)),  # t, 56, 56, 192
    ("MaxPool3d_3a_3x3", "pool", ((1, 3, 3), (1, 2, 2))),  # t, 28, 28, 192
    ("Mixed_3b", "mixed", (64, 96, 128, 16, 32, 32)),  # t, 28, 28, 256
    ("Mixed_3c", "mixed", (128, 128, 192, 32, 96, 64)),  # t, 28, 28, 480
    ("MaxPool3d_4a_3x3", "pool", ((3, 3, 3), (2, 2, 2))),  # t / 2, 14, 14, 480
    ("Mixed_4b", "mixed", (192, 96, 208, 16, 48, 64)),  # t / 2, 14, 14, 512
    ("Mixed_4c", "mixed", (160, 112, 224, 24, 64, 64)),  # t / 2, 14, 14, 512
    ("Mixed_4d", "mixed", (128, 128, 256, 24, 64, 64)),  # t / 2, 14, 14, 512
    ("Mixed_4e", "mixed", (112, 144, 288, 32, 64, 64)),  # t / 2, 14, 14, 528
    ("Mixed_4f", "mixed", (256, 160, 320, 32, 128, 128)),  # t / 2, 14, 14, 832
    ("MaxPool3d_5a_2x2", "pool", ((2, 2, 2), (2, 2, 2))),  # t / 4, 7, 7, 832
    ("Mixed_5b", "mixed", (256, 160, 320, 32, 128, 128)),  # t / 4, 7, 7, 832
    ("Mixed_5c", "mixed", (384, 192, 384, 48, 128, 128)),  # t / 4, 7, 7, 1024
)
_HEAD_POOL = (2, 7, 7)


@keras.saving.register_keras_serializable("tsd_tf")
class InceptionI3D(MainNetwork):
    """Inception-v1 I3D on RGB frames, equal to DeepMind's i3d.py under the same weights.

    Deviations from DeepMind's: the head's average pool shrinks to the steps that are left (one at T_s = 5, where
    theirs fails), and `width` scales every channel count.

    Args:
        num_classes: number of logits.
        dropout_rate: between the head's pool and its convolution, in training.
        width: factor on the channels of every layer; 1 is the paper's.
        batch_norm_momentum: see Unit3D.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1]; any num_frames >= 1.
    Output shape: logits (batch, num_classes), float32, averaged over time.
    """

    def __init__(
        self,
        num_classes: int,
        dropout_rate: float = 0.5,
        width: float = 1.0,
        batch_norm_momentum: float = 0.999,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, dropout_rate, width, batch_norm_momentum, **kwargs)
        for name, kind, arguments in _ARCHITECTURE:
            if kind == "conv":
                filters, kernel_size, strides = arguments
                block = Unit3D(self.channels(filters), kernel_size, strides, name=name, **self._unit_arguments)
            elif kind == "mixed":
                block = InceptionBlock([self.channels(count) for count in arguments], name=name, **self._unit_arguments)
            else:
                pool_size, strides = arguments
                block = keras.layers.MaxPooling3D(
                    pool_size, strides, padding="same", dtype=self.dtype_policy, name=name
                )
            self.blocks.append(block)

    def endpoints(self, frames: Any, training: bool | None = None) -> dict[str, Any]:
        """All intermediate activations by DeepMind's names, `Logits` (batch, num_classes) last."""
        outputs = {}
        x = frames
        for block in self.blocks:
            x = block(x, training=training)
            outputs[block.name] = x
        outputs["Logits"] = self.head(x, training=training)
        return outputs

    def head(self, features: Any, training: bool | None = None) -> Any:
        pool = tuple(min(size, left) for size, left in zip(_HEAD_POOL, features.shape[1:4], strict=True))
        x = ops.average_pool(features, pool, strides=1, padding="valid")
        x = self.logits(self.dropout(x, training=training))
        return ops.cast(ops.mean(ops.cast(x, "float32"), axis=(1, 2, 3)), "float32")
