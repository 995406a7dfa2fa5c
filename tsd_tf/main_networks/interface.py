"""What a main network has to do, whoever wrote it: frames in, logits out."""

import re
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks.main_network import MainNetwork


def is_own(main_network: keras.layers.Layer) -> bool:
    """Whether it is one of this package's networks, which do what they say and can be copied.

    A user's class that derives from MainNetwork may do neither.
    """
    return isinstance(main_network, MainNetwork) and type(main_network).__module__.partition(".")[0] == "tsd_tf"


def output_shape(main_network: keras.layers.Layer, frames_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The shape of what a main network answers to frames of `frames_shape`; builds it first, if need be."""
    if is_own(main_network):
        if not main_network.built:
            main_network.build(frames_shape)
        return main_network.compute_output_shape(frames_shape)
    # Any other is built by a symbolic call: it may leave that to Keras, or build itself in parts.
    answer = main_network(keras.KerasTensor(frames_shape))
    if not isinstance(answer, keras.KerasTensor):
        raise ValueError(f"it answers with a {type(answer).__name__}, not with one tensor")
    return tuple(answer.shape)


def check_main_network(
    main_network: keras.layers.Layer, num_classes: int, frames_shape: tuple[int | None, ...], name: str | None = None
) -> None:
    """Refuses what is no main network: any Keras model or layer that answers with logits is one.

    One that is not this package's own is asked about two clips of noise.

    Args:
        main_network: a Keras model or layer; built if it is not.
        num_classes: logits that are expected.
        frames_shape: (batch, num_frames, height, width, 3), known but for the batch.
        name: what errors call it; None for its class.

    Raises:
        UserError: it takes other frames, answers with another shape, or with probabilities.
    """
    name = name or type(main_network).__name__
    try:
        shape = output_shape(main_network, frames_shape)
    except (TypeError, ValueError) as error:
        reason = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
        raise UserError(
            f"the main network {name} cannot be called on frames of shape {frames_shape}: {' '.join(reason.split())}"
        ) from error
    if shape != (frames_shape[0], num_classes):
        raise UserError(
            f"the main network {name} must answer with logits of shape (batch, {num_classes}), one for each class. "
            f"Received: {shape} for frames of shape {frames_shape}"
        )
    if is_own(main_network):
        return
    frames = np.random.default_rng(0).uniform(-1, 1, (2, *frames_shape[1:])).astype("float32")
    answer = ops.convert_to_numpy(ops.cast(main_network(frames, training=False), "float32"))
    if (answer >= 0).all() and np.allclose(answer.sum(axis=1), 1, atol=1e-2):
        raise UserError(
            f"the main network {name} answers with probabilities, where logits are expected: leave its softmax out"
        )


def last_layer(main_network: keras.layers.Layer, num_classes: int) -> keras.layers.Layer:
    """The layer that makes the logits: `logits` of this package's networks, else the last one that fits.

    Args:
        main_network: a built main network.
        num_classes: its logits.

    Raises:
        UserError: no layer has a kernel whose last axis is the classes'.
    """
    if isinstance(main_network, MainNetwork):
        return main_network.logits
    fitting = [
        layer
        for layer in _leaves(main_network)
        if any(len(weight.shape) > 1 and weight.shape[-1] == num_classes for weight in layer.weights)
    ]
    if not fitting:
        raise UserError(
            f"the last layer of the main network {type(main_network).__name__} cannot be found: expected a layer "
            f"without sublayers that has a kernel of {num_classes} outputs, one for each class"
        )
    return fitting[-1]


def _leaves(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layers below `layer`, or itself, that hold no others, in the order in which they are held."""
    inner = layer._flatten_layers(include_self=False, recursive=False)
    if not inner:
        yield layer
    for one in inner:
        yield from _leaves(one)
