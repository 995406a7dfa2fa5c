"""What tables and pictures call methods, main networks and what is sent."""

I3D = "inception_i3d"
# In the order of the paper's columns.
METHODS = {"i3d": "I3D", "i3d_a": "I3D_A", "i3d_r": "I3D_R", "i3d_e": "I3D_E", "tsd": "I3D+TSD"}
_NETWORKS = {
    I3D: "I3D",
    "artnet_resnet18": "ARTNet-ResNet18",
    "tsn_bn_inception": "TSN",
    "c3d": "C3D",
    "resnet3d_18": "ResNet3D-18",
}
# What is sent of a clip, and what becomes of it: as results and as tables call it.
SENT = {
    "distilled": "distilled frames",
    "whole_clip": "whole clip, distilled behind the decoder",
    "whole_clip_uniform": "whole clip, uniform frames of it",
    "uniform": "uniform frames",
}


def network(main_network: str) -> str:
    """The name of a main network; a reference like "package.module:name" is its own."""
    return _NETWORKS.get(main_network, main_network)


def method(name: str, main_network: str = I3D) -> str:
    """The name of a method in front of a main network: "I3D+TSD", "ResNet3D-18_E", "C3D+package.module:Selector"."""
    return network(main_network) + METHODS.get(name, f"I3D+{name}").removeprefix("I3D")


def method_order(method: str) -> tuple[int, str]:
    """Sorts methods: the paper's as in its columns, then others."""
    return ([*METHODS, method].index(method), method)


def network_order(main_network: str) -> tuple[bool, str]:
    """Sorts main networks: I3D, then others."""
    return (main_network != I3D, main_network)
