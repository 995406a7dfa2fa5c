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


def check_plain(path: str | os.PathLike) -> None:
    """Refuses a stranger's file of weights unless it holds plain arrays of numbers, as Keras writes them.

    HDF5 has more: links and arrays that lie in other files of this machine, and compression that inflates without
    bound.

    Raises:
        UserError: there is no such file, it is not an HDF5 file, or it holds anything else.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_group(file, os.path.getsize(path))
    except OSError as error:
        raise UserError(f"{path} is not an HDF5 file of weights: {error}") from error


def _check_group(group: h5py.Group, most_bytes: int) -> None:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UserError(f"the weights hold a link, {name}, where arrays are expected")
        item = group[name]
        if h5py.h5o.get_info(item.id).rc != 1:  # a second name of something, which may be a circle
            raise UserError(f"the weights hold a link, {name}, where arrays are expected")
        if isinstance(item, h5py.Group):
            _check_group(item, most_bytes)
        elif not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
            raise UserError(f"the weights hold something else than numbers: {name}")
        elif item.external or item.is_virtual or item.chunks or item.nbytes > most_bytes:
            raise UserError(f"the weights hold an array that does not lie in the file as it is: {name}")
