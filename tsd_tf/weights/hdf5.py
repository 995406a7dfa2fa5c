"""What is in a file of Keras weights."""

import h5py

from tsd_tf.contract.errors import UserError


def count_arrays(path):
    """The number of weight arrays in an HDF5 file that Keras wrote, in its present or its legacy format.

    Keras checks that a file has all that a model needs, not that the model takes all that a file has; this tells.

    Raises:
        UserError: no such file, or no HDF5 file.
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
