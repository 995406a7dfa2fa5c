"""DeepMind's released I3D checkpoints (github.com/deepmind/kinetics-i3d, TensorFlow 1), loaded by name."""

from tsd_tf.errors import UserError
from tsd_tf.layers import InceptionBlock, Unit3D

# rgb_imagenet and rgb_scratch have this scope before every name, rgb_scratch_kin600 has none.
SCOPE = "RGB/inception_i3d/"
_UNITS = ("Conv3d_0a_1x1", "Conv3d_0b_3x3")
# One unit of the released network breaks its own naming rule.
_MISNAMED = {"Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3"}


def variables_by_name(model):
    """The variables of an InceptionI3D under DeepMind's names, without their scope.

    Args:
        model: a built tsd_tf.main_networks.InceptionI3D.

    Returns:
        dict from name, e.g. "Conv3d_1a_7x7/conv_3d/w", to Keras variable; all variables of `model`, 230 of them.
    """
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


def _unit_variables(path, unit):
    return {
        f"{path}/conv_3d/w": unit.conv_3d.kernel,
        f"{path}/batch_norm/beta": unit.batch_norm.beta,
        f"{path}/batch_norm/moving_mean": unit.batch_norm.moving_mean,
        f"{path}/batch_norm/moving_variance": unit.batch_norm.moving_variance,
    }


def load(model, checkpoint_prefix):
    """Loads a released RGB checkpoint into an InceptionI3D; all of it or, on an error, nothing.

    Batch-norm variables may be (C,), as released, or (1, 1, 1, 1, C), as a newer Sonnet writes them; the logits'
    1x1x1 kernel (1, 1, 1, 1024, classes) goes into the dense layer that does the same.

    Args:
        model: a built tsd_tf.main_networks.InceptionI3D of width 1 and as many classes as the checkpoint's.
        checkpoint_prefix: path before ".index" and ".data-00000-of-00001", e.g. "checkpoints/rgb_imagenet/model.ckpt".

    Raises:
        UserError: no such checkpoint; a variable is left over on either side, or its shape does not fit.
    """
    values = _read(checkpoint_prefix)
    named = variables_by_name(model)
    problems = []
    if missing := sorted(set(named) - set(values)):
        problems.append(f"the checkpoint lacks {_listing(missing)}")
    if unknown := sorted(set(values) - set(named)):
        problems.append(f"the network has no {_listing(unknown)}")
    misfits = [
        f"{name} (expected {tuple(named[name].shape)}, received {values[name].shape})"
        for name in sorted(set(named) & set(values))
        if _squeezed(values[name].shape) != _squeezed(named[name].shape)
    ]
    if misfits:
        problems.append(f"shapes differ: {_listing(misfits)}")
    if problems:
        raise UserError(f"{checkpoint_prefix} is not a checkpoint of this InceptionI3D: {'; '.join(problems)}")
    for name, variable in named.items():
        variable.assign(values[name].reshape(variable.shape))


def _read(checkpoint_prefix):
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(checkpoint_prefix))
        names = list(reader.get_variable_to_shape_map())
        scope = SCOPE if all(name.startswith(SCOPE) for name in names) else ""
        return {name[len(scope) :]: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{checkpoint_prefix} is not a readable TensorFlow checkpoint: expected the path before '.index', "
            f"e.g. checkpoints/rgb_imagenet/model.ckpt. {reason}"
        ) from error


def _squeezed(shape):
    """A shape without its leading ones: (1, 1, 1, 1, C) of Sonnet's batch norm is (C,) here."""
    sizes = list(shape)
    while len(sizes) > 1 and sizes[0] == 1:
        sizes.pop(0)
    return tuple(sizes)


def _listing(names):
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
