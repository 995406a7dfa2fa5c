"""Keras layers of the paper's networks, written in keras.ops only."""

from tsd_tf.layers.frame_distillation import FrameDistillation
from tsd_tf.layers.inception_block import InceptionBlock
from tsd_tf.layers.tsd_block import TSDBlock
from tsd_tf.layers.unit_3d import Unit3D

__all__ = ["FrameDistillation", "InceptionBlock", "TSDBlock", "Unit3D"]
