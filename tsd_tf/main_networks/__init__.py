"""The main networks: CNNs that turn the distilled frames into class logits."""

from tsd_tf.main_networks.artnet import ARTNetResNet18
from tsd_tf.main_networks.c3d import C3D
from tsd_tf.main_networks.inception_i3d import InceptionI3D
from tsd_tf.main_networks.main_network import MainNetwork
from tsd_tf.main_networks.resnet_3d import ResNet3D18
from tsd_tf.main_networks.tsn import TSN

__all__ = ["C3D", "TSN", "ARTNetResNet18", "InceptionI3D", "MainNetwork", "ResNet3D18"]
