import dataclasses

import pytest

from tsd_tf import main_networks, selectors
from tsd_tf.config import MAIN_NETWORKS, METHODS, kinetics400
from tsd_tf.network_builder import build_main_network, build_network, build_selector

SELECTORS = {
    "i3d": selectors.Consecutive,
    "i3d_r": selectors.Random,
    "i3d_e": selectors.Uniform,
    "i3d_a": selectors.TemporalAttention,
    "tsd": selectors.TSD,
}
NETWORKS = {
    "inception_i3d": main_networks.InceptionI3D,
    "artnet_resnet18": main_networks.ARTNetResNet18,
    "tsn_bn_inception": main_networks.TSN,
    "c3d": main_networks.C3D,
    "resnet3d_18": main_networks.ResNet3D18,
}
TINY = dataclasses.replace(
    kinetics400(),
    num_classes=3,
    num_frames=18,
    num_distilled_frames=16,
    crop_size=32,
    short_side=32,
    main_network_width=0.05,
    dropout_rate=0.25,
    main_network_batch_norm_momentum=0.8,
    coarse_size=32,
    coarse_width=0.25,
    coarse_features_layer="conv_pw_1_relu",
    coarse_batch_norm_momentum=0.7,
    embedding_channels=4,
    output_kernel=1,
    initializer_stddev=0.2,
    logit_scale=0.5,
)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_its_selector(method):
    selector = build_selector(dataclasses.replace(TINY, method=method))
    assert type(selector) is SELECTORS[method]
    values = selector.get_config()
    assert (values["num_frames"], values["num_distilled_frames"]) == (18, 16)
    for name in set(values) & {field.name for field in dataclasses.fields(TINY)}:
        assert values[name] == getattr(TINY, name), name


@pytest.mark.parametrize("main_network", MAIN_NETWORKS)
def test_every_main_network_is_built_for_the_distilled_frames(main_network):
    config = dataclasses.replace(TINY, main_network=main_network, method="i3d_e")
    network = build_network(config)
    assert type(network.main_network) is NETWORKS[main_network]
    assert network.built
    assert network.compute_output_shape((2, 18, 32, 32, 3)) == (2, 3)
    values = build_main_network(config).get_config()
    assert (values["num_classes"], values["width"], values["dropout_rate"]) == (3, 0.05, 0.25)
    assert values.get("batch_norm_momentum", 0.8) == 0.8
