"""What a stage trains: which model, on clips of which length, and which of its variables move."""

import dataclasses

import keras

from tsd_tf.config import Config, Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks.interface import last_layer
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
        is_coded: whether distilled frames pass a codec on their way to the main network, see `Config.rate_weight`.
    """

    model: keras.Model
    num_frames: int
    variables: tuple[keras.Variable, ...]
    is_client: tuple[bool, ...]
    rate_factors: tuple[float, ...]
    is_coded: bool = False


def stage_model(stage: Stage, network: FewFrameNetwork, config: Config) -> StageModel:
    """Freezes and unfreezes the parts of `network` as `stage` asks, and names what it trains.

    Stage 1 of the paper freezes the main network, which also puts its batch norm into inference mode. What the author
    of a part froze before it was built stays frozen in every stage.

    Args:
        stage: a Stage of `config`.
        network: the FewFrameNetwork of `config`.
        config: a Config.

    Raises:
        UserError: the stage trains nothing of this network.
    """
    selector, main_network = network.selector, network.main_network
    selector.trainable = main_network.trainable = False
    if stage.trains in ("network", "client"):
        network.trainable_flags.restore(selector)
    if stage.trains == "network":
        network.trainable_flags.restore(main_network)
    num_frames = stage.num_frames or config.num_frames
    if stage.trains == "coarse_extractor":
        if selector.coarse_extractor is None:
            raise UserError(
                f"stage {stage.name} trains a coarse extractor, and the selector {type(selector).__name__} has none"
            )
        network.trainable_flags.restore(selector.coarse_extractor)
        model = FrameClassifier(selector, config.num_classes)
    elif num_frames != config.num_frames:
        model = FewFrameNetwork(Consecutive(num_frames, num_frames), main_network)
    else:
        model = network
    if not model.built:
        model.build((None, num_frames, config.crop_size, config.crop_size, 3))
    client = {id(variable) for variable in selector.variables}
    factor, last = config.last_layer_rate_factor, set[int]()
    if factor != 1.0:
        last = {id(variable) for variable in last_layer(main_network, config.num_classes).variables}
    variables = tuple(model.trainable_variables)
    if not variables:
        raise UserError(
            f"stage {stage.name} has nothing to train: all that it would train is frozen, or has no weights"
        )
    return StageModel(
        model=model,
        num_frames=num_frames,
        variables=variables,
        is_client=tuple(id(variable) in client for variable in variables),
        rate_factors=tuple(factor if id(variable) in last else 1.0 for variable in variables),
        is_coded=bool(config.rate_weight) and stage.trains == "network" and model is network,
    )
