"""From a configuration to a built network."""

import keras

from tsd_tf.main_networks import C3D, TSN, ARTNetResNet18, InceptionI3D, ResNet3D18
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD, Consecutive, Random, TemporalAttention, Uniform

_SAMPLING = {"i3d": Consecutive, "i3d_r": Random, "i3d_e": Uniform}
_NORMALISED = {
    "inception_i3d": InceptionI3D,
    "artnet_resnet18": ARTNetResNet18,
    "tsn_bn_inception": TSN,
    "resnet3d_18": ResNet3D18,
}


def build_selector(config):
    """The selector of `config.method` for its T and T_s, unbuilt."""
    frames = (config.num_frames, config.num_distilled_frames)
    if config.method in _SAMPLING:
        return _SAMPLING[config.method](*frames)
    coarse = {
        "coarse_size": config.coarse_size,
        "coarse_width": config.coarse_width,
        "coarse_features_layer": config.coarse_features_layer,
        "coarse_batch_norm_momentum": config.coarse_batch_norm_momentum,
    }
    if config.method == "i3d_a":
        return TemporalAttention(*frames, **coarse)
    return TSD(
        *frames,
        embedding_channels=config.embedding_channels,
        output_kernel=config.output_kernel,
        initializer_stddev=config.initializer_stddev,
        logit_scale=config.logit_scale,
        in_time_order=config.in_time_order,
        **coarse,
    )


def build_main_network(config):
    """The main network of `config`, unbuilt."""
    common = {"dropout_rate": config.dropout_rate, "width": config.main_network_width}
    if config.main_network == "c3d":
        return C3D(config.num_classes, **common)
    network = _NORMALISED[config.main_network]
    return network(config.num_classes, batch_norm_momentum=config.main_network_batch_norm_momentum, **common)


def build_network(config, dtype_policy="float32"):
    """The FewFrameNetwork of `config` with freshly initialised variables.

    Args:
        config: a Config.
        dtype_policy: Keras' name of what selector and main network compute in; Y = XP is float32 always.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy)  # Keras' MobileNet takes it from nowhere else.
    try:
        network = FewFrameNetwork(build_selector(config), build_main_network(config), dtype="float32")
    finally:
        keras.config.set_dtype_policy(before)
    network.build((None, config.num_frames, config.crop_size, config.crop_size, 3))
    return network
