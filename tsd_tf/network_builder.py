"""From a configuration to a built network."""

from tsd_tf.main_networks import InceptionI3D
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD, Consecutive, Uniform


def build_selector(config):
    """The selector of `config.method` for its T and T_s, unbuilt."""
    if config.method == "tsd":
        return TSD(
            config.num_frames,
            config.num_distilled_frames,
            coarse_size=config.coarse_size,
            coarse_width=config.coarse_width,
            coarse_features_layer=config.coarse_features_layer,
            coarse_batch_norm_momentum=config.coarse_batch_norm_momentum,
            embedding_channels=config.embedding_channels,
            output_kernel=config.output_kernel,
            initializer_stddev=config.initializer_stddev,
            logit_scale=config.logit_scale,
        )
    if config.method == "i3d_e":
        return Uniform(config.num_frames, config.num_distilled_frames)
    return Consecutive(config.num_frames, config.num_distilled_frames)


def build_main_network(config):
    """The main network of `config`, unbuilt."""
    return InceptionI3D(
        config.num_classes,
        dropout_rate=config.dropout_rate,
        width=config.main_network_width,
        batch_norm_momentum=config.main_network_batch_norm_momentum,
    )


def build_network(config):
    """The FewFrameNetwork of `config` with freshly initialised variables."""
    network = FewFrameNetwork(build_selector(config), build_main_network(config))
    network.build((None, config.num_frames, config.crop_size, config.crop_size, 3))
    return network
