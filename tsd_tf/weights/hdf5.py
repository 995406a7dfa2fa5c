"""Files of Keras weights: counting what they hold, and loading all of it into a model, or nothing."""

import os
import warnings

import h5py
import keras

from tsd_tf.contract.errors import UserError


def count_arrays(path: str | os.PathLike) -> int:
    """The number of weight arrays in an HDF5 file that Keras wrote, in its present or its legacy format.

    Keras checks that a file has everything that a model needs, but not that the model takes everything that the file
    has. This count is for that check.

    Raises:
        UserError: there is no such file, or it is not an HDF5 file.
    """
    names = []
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            group.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    except FileNotFoundError as error:
        raise UserError(f"found no file of weights: {path}") from error
    except OSError as error:
        raise UserError(f"{path} is not an HDF5 file of weights: {error}") from error
    return sum(not name.startswith("optimizer") for name in names)


def load_weights(model: keras.Model, path: str | os.PathLike, name: str | None = None) -> None:
    """Loads Keras weights into a built model.

    Args:
        model: the model.
        path: a `.weights.h5` file, or a model file in Keras' legacy format.
        name: what an error calls the model; None for its class and the fields of a configuration that shape it.

    Raises:
        UserError: there is no such file, or something is left over on either side.
    """
    name = name or f"the {type(model).__name__} of this configuration (method, T, T_s, classes, widths)"
    expected, found = len(model.weights), count_arrays(path)
    if found != expected:
        raise UserError(f"{path} does not fit {name}: expected {expected} weight arrays, got {found}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns about every layer before it raises.
            model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} does not fit {name}: {str(error).strip().splitlines()[0]}") from error
