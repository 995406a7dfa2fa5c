"""Variables of a TensorFlow checkpoint, assigned to a model by name: all of them or none."""

import os
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tsd_tf.contract.errors import UserError


def read(prefix: str | os.PathLike) -> dict[str, np.ndarray]:
    """All variables of the checkpoint at `prefix`, as {name: NumPy array}; UserError if it cannot be read."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{prefix} is not a readable TensorFlow checkpoint: expected the path before '.index', "
            f"e.g. checkpoints/rgb_imagenet/model.ckpt. {reason}"
        ) from error


def assign(
    variables: Mapping[str, keras.Variable], values: Mapping[str, np.ndarray], source: str | os.PathLike
) -> None:
    """Assigns values to variables by name, after checking that nothing is left over on either side.

    Args:
        variables: {name: built Keras variable}.
        values: {name: NumPy array}; a shape may have more leading ones than its variable's.
        source: what an error calls the checkpoint.

    Raises:
        UserError: a name is on one side only, or a shape does not fit. In that case nothing is assigned.
    """
    problems = []
    if missing := sorted(set(variables) - set(values)):
        problems.append(f"the checkpoint lacks {_listing(missing)}")
    if unknown := sorted(set(values) - set(variables)):
        problems.append(f"the network has no {_listing(unknown)}")
    misfits = [
        f"{name} (expected {tuple(variables[name].shape)}, got {values[name].shape})"
        for name in sorted(set(variables) & set(values))
        if _squeezed(values[name].shape) != _squeezed(variables[name].shape)
    ]
    if misfits:
        problems.append(f"shapes differ: {_listing(misfits)}")
    if problems:
        raise UserError(f"{source} is not a checkpoint of this network: {'; '.join(problems)}")
    for name, variable in variables.items():
        variable.assign(values[name].reshape(variable.shape))


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without its leading ones: (1, 1, 1, 1, C) of Sonnet's batch norm is (C,) here."""
    sizes = list(shape)
    while len(sizes) > 1 and sizes[0] == 1:
        sizes.pop(0)
    return tuple(sizes)


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
