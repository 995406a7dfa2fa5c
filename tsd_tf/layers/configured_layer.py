"""Layers whose configuration is what their constructors were called with."""

import inspect
from typing import Any

import keras


class ConfiguredLayer(keras.layers.Layer):
    """Base of the layers that keep every argument of their constructor as an attribute of the same name.

    `get_config` reads the arguments from there. It knows those of this package's classes only: a class of the user's
    own that derives from one of them adds its own arguments in a `get_config` of its own.
    """

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # with Keras' own arguments, which are keyword-only
        for base in reversed(type(self).__mro__):
            if base.__module__.startswith("tsd_tf."):
                for name, parameter in inspect.signature(base.__init__).parameters.items():
                    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name != "self":
                        config[name] = getattr(self, name)
        return config
