"""From a configuration to a built network."""

import dataclasses

import keras

from tsd_tf import config as configs
from tsd_tf.config import METHODS, Config
from tsd_tf.contract import references
from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks import C3D, TSN, ARTNetResNet18, InceptionI3D, ResNet3D18
from tsd_tf.main_networks.interface import check_main_network
from tsd_tf.network import FewFrameNetwork
from tsd_tf.recipes import Recipe
from tsd_tf.selectors import TSD, Consecutive, Random, Selector, TemporalAttention, Uniform
from tsd_tf.selectors.coarse import default_dtype

_SELECTORS = {"i3d": Consecutive, "i3d_r": Random, "i3d_e": Uniform, "i3d_a": TemporalAttention, "tsd": TSD}
_NORMALISED = {
    "inception_i3d": InceptionI3D,
    "artnet_resnet18": ARTNetResNet18,
    "tsn_bn_inception": TSN,
    "resnet3d_18": ResNet3D18,
}
_COARSE_ARGUMENTS = (
    "coarse_size",
    "coarse_width",
    "coarse_features_layer",
    "coarse_batch_norm_momentum",
    "coarse_stride",
)
_BLOCK_ARGUMENTS = ("embedding_channels", "output_kernel", "initializer_stddev", "logit_scale", "in_time_order")


def selector_class(method: str) -> type[Selector]:
    """The class of the selector that `Config.method` names; UserError where it names none."""
    if method in _SELECTORS:
        return _SELECTORS[method]
    found = references.resolve(method, "selector")
    if not (isinstance(found, type) and issubclass(found, Selector)):
        raise UserError(f"`selector` must name a class that derives from tsd_tf.Selector. Received: selector={method}")
    return found


def preset(name: str, method: str) -> Config:
    """The Config of a preset for one of METHODS, or for a selector of the user's own.

    A learned selector of the user's own gets the two stages of tsd, any other the one of the sampling methods.

    Args:
        name: of a file in tsd_tf/recipes: "kinetics400", "ucf101", "sample", ...
        method: see Config.

    Raises:
        UserError: `method` names no selector, or the preset takes none.
    """
    if method in METHODS:
        return configs.from_preset(name, method)
    selector = selector_class(method)
    if "method" in Recipe.of_preset(name).fields:
        raise UserError(
            f"the preset {name} trains its network alone, so it takes no selector of your own; the preset kinetics400 "
            f"does. Received: method={method}"
        )
    config = configs.from_preset(name, "tsd" if selector.is_learned else "i3d_e")
    stages = tuple(stage for stage in config.stages if selector.is_coarse or stage.trains != "coarse_extractor")
    return dataclasses.replace(config, method=method, stages=stages)


def build_selector(config: Config) -> Selector:
    """The selector of `config.method` for its T and T_s, unbuilt; UserError where it names none.

    One of the user's own is called with T and T_s, and with CoarseSelector's arguments if it derives from that class.
    """
    selector = selector_class(config.method)
    names: tuple[str, ...] = _COARSE_ARGUMENTS if selector.is_coarse else ()
    if config.method == "tsd":
        names += _BLOCK_ARGUMENTS
    arguments = {name: getattr(config, name) for name in names}
    return selector(config.num_frames, config.num_distilled_frames, **arguments)


def build_main_network(config: Config, selector: Selector | None = None) -> keras.layers.Layer:
    """The main network of `config`, unbuilt.

    One of the user's own is what `function(input_shape, num_classes)` returns; `input_shape` is (T_s, height, width,
    3), with None for T_s if the stages also show it clips of other lengths.

    Args:
        config: a Config.
        selector: what stands before it; None for one that picks T_s frames in training, too.

    Raises:
        UserError: `config.main_network` names nothing, or something that returns no Keras model or layer.
    """
    if references.is_reference(config.main_network):
        make = references.resolve(config.main_network, "main_network")
        lengths = _clip_lengths(config, selector)
        frames = lengths.pop() if len(lengths) == 1 else None
        main_network = make((frames, config.crop_size, config.crop_size, 3), config.num_classes)
        if not isinstance(main_network, keras.layers.Layer):
            raise UserError(
                "`main_network` must name a class of Keras models or layers, or a function that returns one. Received: "
                f"main_network={config.main_network}, which returns {type(main_network).__name__}"
            )
        return main_network
    common = {"dropout_rate": config.dropout_rate, "width": config.main_network_width}
    if config.main_network == "c3d":
        return C3D(config.num_classes, **common)
    network = _NORMALISED[config.main_network]
    return network(config.num_classes, batch_norm_momentum=config.main_network_batch_norm_momentum, **common)


def _clip_lengths(config: Config, selector: Selector | None) -> set[int]:
    """The numbers of frames that the main network sees: in use, and in the stages that train it."""
    lengths: set[int] = {config.num_distilled_frames}
    for stage in config.stages:
        if stage.trains == "coarse_extractor":
            continue
        if stage.num_frames is not None and stage.num_frames != config.num_frames:
            lengths.add(stage.num_frames)
        elif selector is not None:
            clip = keras.KerasTensor((None, config.num_frames, config.crop_size, config.crop_size, 3))
            lengths.add(selector.compute_output_spec(clip, training=True).shape[2])
    return lengths


def build_network(config: Config, dtype_policy: str = "float32") -> FewFrameNetwork:
    """The FewFrameNetwork of `config` with freshly initialised variables.

    Args:
        config: a Config.
        dtype_policy: Keras' name of what selector and main network compute in; Y = XP is float32 always.

    Raises:
        UserError: a part of the user's own cannot be found, or does not do what such a part does.
    """
    size = config.crop_size
    with default_dtype(dtype_policy):
        selector = build_selector(config)
        network = FewFrameNetwork(selector, build_main_network(config, selector), dtype="float32")
        if references.is_reference(config.main_network):
            shape = (None, config.num_distilled_frames, size, size, 3)
            check_main_network(network.main_network, config.num_classes, shape, config.main_network)
    network.build((None, config.num_frames, size, size, 3))
    return network
