"""What the makers of a network's parts left trainable: stages freeze parts, and thaw them to that."""

import keras


class TrainableFlags:
    """The flags `trainable` of all layers and variables of a network, as they are now.

    Args:
        network: a built layer or model.
    """

    def __init__(self, network: keras.layers.Layer) -> None:
        self._layers = {id(layer): layer.trainable for layer in network._flatten_layers()}
        self._variables = {id(variable): variable.trainable for variable in network.variables}

    def restore(self, part: keras.layers.Layer) -> None:
        """Gives the network, or one of its layers with all below, the flags it had."""
        # Setting a layer's flag sets those of all below: they come later, and the variables last.
        for layer in part._flatten_layers():
            layer.trainable = self._layers[id(layer)]
        for variable in part.variables:
            variable.trainable = self._variables[id(variable)]
