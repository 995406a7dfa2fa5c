"""I3D from an inflated 2D Inception-v1 (Carreira and Zisserman, 2017, Section 2.4)."""

import os

import numpy as np

from tsd_tf.main_networks import InceptionI3D
from tsd_tf.weights import deepmind_i3d, tensorflow_checkpoint

SCOPE = "InceptionV1/"
# What I3D does not take from a 2D checkpoint: its 1001 ImageNet classes and its step counter.
_SKIPPED = ("InceptionV1/Logits/", "InceptionV1/AuxLogits/", "global_step")


def inflate(kernel: np.ndarray, length: int) -> np.ndarray:
    """A 2D kernel repeated over time and divided by its length, so that a constant clip gives the 2D answer.

    Args:
        kernel: (height, width, in, out).
        length: of the new kernel, in time.

    Returns:
        (length, height, width, in, out).
    """
    return np.repeat(kernel[None], length, axis=0) / length


def load(model: InceptionI3D, checkpoint_prefix: str | os.PathLike) -> None:
    """Loads TF-Slim's Inception-v1 (inception_v1.ckpt), inflated, into an InceptionI3D; its last layer stays as it is.

    Args:
        model: a built tsd_tf.main_networks.InceptionI3D of width 1, with any number of classes.
        checkpoint_prefix: the checkpoint's path before ".index", or that of a single-file checkpoint.

    Raises:
        UserError: there is no such checkpoint, or a variable outside the last layer is left over or has another shape.
    """
    variables = {
        _slim_name(name): variable
        for name, variable in deepmind_i3d.variables_by_name(model).items()
        if not name.startswith("Logits/")
    }
    values = {
        name: value
        for name, value in tensorflow_checkpoint.read(checkpoint_prefix).items()
        if not name.startswith(_SKIPPED)
    }
    for name, value in values.items():
        if name in variables and value.ndim == 4:
            values[name] = inflate(value, variables[name].shape[0])
    tensorflow_checkpoint.assign(variables, values, checkpoint_prefix)


def _slim_name(name: str) -> str:
    """DeepMind's name of a variable -> TF-Slim's. They correspond even in Mixed_5b's misnamed unit."""
    renamed = name.replace("Conv3d_", "Conv2d_").replace("conv_3d/w", "weights").replace("batch_norm/", "BatchNorm/")
    return f"{SCOPE}{renamed}"
