"""DeepMind's released I3D checkpoints (github.com/deepmind/kinetics-i3d, TensorFlow 1), loaded by name."""

import os
import pathlib

import keras
import numpy as np

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.layers import InceptionBlock, Unit3D
from tsd_tf.main_networks import InceptionI3D
from tsd_tf.weights import tensorflow_checkpoint

# Every name in rgb_imagenet and rgb_scratch starts with this scope; no name in rgb_scratch_kin600 does.
SCOPE = "RGB/inception_i3d/"
_UNITS = ("Conv3d_0a_1x1", "Conv3d_0b_3x3")
# One unit of the released network breaks its own naming rule.
_MISNAMED = {"Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3"}


def variables_by_name(model: InceptionI3D) -> dict[str, keras.Variable]:
    """The variables of an InceptionI3D under DeepMind's names, without their scope.

    Args:
        model: a built tsd_tf.main_networks.InceptionI3D.

    Returns:
        {name, e.g. "Conv3d_1a_7x7/conv_3d/w": Keras variable}, all 230 variables of `model`.

    Raises:
        UserError: `model` is another network.
    """
    if not isinstance(model, InceptionI3D):
        raise UserError(
            f"`main_network` must be inception_i3d for an Inception checkpoint. Received: {type(model).__name__}"
        )
    named = {}
    for block in model.blocks:
        if isinstance(block, Unit3D):
            named.update(_unit_variables(block.name, block))
        elif isinstance(block, InceptionBlock):
            for number, branch in enumerate(block.branches):
                units = [layer for layer in branch if isinstance(layer, Unit3D)]
                names = ("Conv3d_0b_1x1",) if number == 3 else _UNITS[: len(units)]
                for name, unit in zip(names, units, strict=True):
                    path = f"{block.name}/Branch_{number}/{name}"
                    named.update(_unit_variables(_MISNAMED.get(path, path), unit))
    named["Logits/Conv3d_0c_1x1/conv_3d/w"] = model.logits.kernel
    named["Logits/Conv3d_0c_1x1/conv_3d/b"] = model.logits.bias
    return named


def _unit_variables(path: str, unit: Unit3D) -> dict[str, keras.Variable]:
    return {
        f"{path}/conv_3d/w": unit.conv_3d.kernel,
        f"{path}/batch_norm/beta": unit.batch_norm.beta,
        f"{path}/batch_norm/moving_mean": unit.batch_norm.moving_mean,
        f"{path}/batch_norm/moving_variance": unit.batch_norm.moving_variance,
    }


def load(model: InceptionI3D, checkpoint_prefix: str | os.PathLike, with_logits: bool = True) -> None:
    """Loads a released RGB checkpoint into an InceptionI3D: all of it or, on an error, nothing.

    Batch-norm variables may be (C,), as released, or (1, 1, 1, 1, C), as a newer Sonnet writes them. The logits'
    1x1x1 kernel (1, 1, 1, 1024, classes) goes into a dense layer, which computes the same.

    Args:
        model: a built tsd_tf.main_networks.InceptionI3D of width 1 with as many classes as the checkpoint.
        checkpoint_prefix: path before ".index" and ".data-00000-of-00001", e.g. "checkpoints/rgb_imagenet/model.ckpt".
        with_logits: False leaves the last layer as it is; the model may then have any number of classes.

    Raises:
        UserError: there is no such checkpoint, or a variable is left over on either side or has another shape.
    """
    values = _without_scope(tensorflow_checkpoint.read(checkpoint_prefix))
    variables = variables_by_name(model)
    if not with_logits:
        values, variables = (
            {name: value for name, value in named.items() if not name.startswith("Logits/")}
            for named in (values, variables)
        )
    tensorflow_checkpoint.assign(variables, values, checkpoint_prefix)


def num_classes(checkpoint_prefix: str | os.PathLike) -> int:
    """The classes of a released RGB checkpoint.

    Raises:
        UserError: there is no such checkpoint, or it is of another network.
    """
    bias = _without_scope(tensorflow_checkpoint.read(checkpoint_prefix)).get("Logits/Conv3d_0c_1x1/conv_3d/b")
    if bias is None:
        raise UserError(f"{checkpoint_prefix} is not a checkpoint of an InceptionI3D: it has no RGB logits")
    return bias.size


def convert(checkpoint_prefix: str | os.PathLike, output_path: str | os.PathLike) -> int:
    """Writes a released RGB checkpoint as Keras weights of an InceptionI3D with as many classes.

    Args:
        checkpoint_prefix: see `load`.
        output_path: file to write; its name must end in ".weights.h5".

    Returns:
        The number of classes.

    Raises:
        UserError: see `load`.
        OSError: the file cannot be written.
    """
    output_path = pathlib.Path(output_path)
    if not output_path.name.endswith(".weights.h5"):
        raise UserError(f"the output's name must end in .weights.h5. Received: {output_path}")
    classes = num_classes(checkpoint_prefix)
    model = InceptionI3D(classes)
    model.build((None, 16, 224, 224, 3))
    load(model, checkpoint_prefix)
    with files.whole(output_path) as partial:
        model.save_weights(partial)
    return classes


def _without_scope(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    scope = SCOPE if all(name.startswith(SCOPE) for name in values) else ""
    return {name[len(scope) :]: value for name, value in values.items()}
