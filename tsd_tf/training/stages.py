"""What a stage trains: which model, on clips of which length, and which of its variables move."""

import dataclasses

import keras

from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import Consecutive
from tsd_tf.training.frame_classifier import FrameClassifier


@dataclasses.dataclass(frozen=True)
class StageModel:
    """A stage, made concrete for one network.

    Attributes:
        model: what is called on the frames of a training clip.
        num_frames: frames of that clip.
        variables: the variables that move.
        is_client: for each of them, whether it belongs to the client half.
        rate_factors: for each of them, the factor on the stage's learning rate.
    """

    model: keras.Model
    num_frames: int
    variables: tuple
    is_client: tuple
    rate_factors: tuple


def stage_model(stage, network, config):
    """Freezes and unfreezes the parts of `network` as `stage` asks, and names what it trains.

    Stage 1 of the paper freezes the main network, which also puts its batch norm into inference mode.
    """
    network.selector.trainable = stage.trains in ("network", "client")
    network.main_network.trainable = stage.trains == "network"
    num_frames = stage.num_frames or config.num_frames
    if stage.trains == "coarse_extractor":
        network.selector.coarse_extractor.trainable = True
        model = FrameClassifier(network.selector, config.num_classes)
    elif num_frames != config.num_frames:
        model = FewFrameNetwork(Consecutive(num_frames, num_frames), network.main_network)
    else:
        model = network
    if not model.built:
        model.build((None, num_frames, config.crop_size, config.crop_size, 3))
    client = {id(variable) for variable in network.selector.variables}
    last_layer = {id(variable) for variable in network.main_network.logits.variables}
    variables = tuple(model.trainable_variables)
    return StageModel(
        model=model,
        num_frames=num_frames,
        variables=variables,
        is_client=tuple(id(variable) in client for variable in variables),
        rate_factors=tuple(
            config.last_layer_rate_factor if id(variable) in last_layer else 1.0 for variable in variables
        ),
    )
