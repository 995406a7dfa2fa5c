"""Keras layers of the paper's networks, written in keras.ops only."""

from tsd_tf.layers.art_block import ArtBlock
from tsd_tf.layers.clip_codec import ClipCodec
from tsd_tf.layers.conv_norm import ConvNorm
from tsd_tf.layers.frame_distillation import FrameDistillation
from tsd_tf.layers.inception_block import InceptionBlock
from tsd_tf.layers.inception_v2_block import InceptionV2Block
from tsd_tf.layers.residual_block import ResidualBlock
from tsd_tf.layers.smart_block import SmartBlock
from tsd_tf.layers.tsd_block import TSDBlock
from tsd_tf.layers.unit_3d import Unit3D

__all__ = [
    "ArtBlock",
    "ClipCodec",
    "ConvNorm",
    "FrameDistillation",
    "InceptionBlock",
    "InceptionV2Block",
    "ResidualBlock",
    "SmartBlock",
    "TSDBlock",
    "Unit3D",
]
