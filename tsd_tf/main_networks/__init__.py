"""The main networks: 3D CNNs that turn the distilled frames into class logits."""

from tsd_tf.main_networks.inception_i3d import InceptionI3D

__all__ = ["InceptionI3D"]
