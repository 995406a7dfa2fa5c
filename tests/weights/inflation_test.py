import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tsd_tf.contract.errors import UserError
from tsd_tf.layers import Unit3D
from tsd_tf.main_networks import InceptionI3D
from tsd_tf.main_networks.inception_i3d import _ARCHITECTURE
from tsd_tf.weights import deepmind_i3d, inflation


def slim_names():
    """TF-Slim's name of each unit of Inception-v1, as {our block: names of its units, branch by branch}."""
    names = {}
    for block, kind, _ in _ARCHITECTURE:
        if kind == "conv":
            names[block] = [[f"InceptionV1/{block.replace('Conv3d', 'Conv2d')}"]]
        elif kind == "mixed":
            third = "Conv2d_0a_3x3" if block == "Mixed_5b" else "Conv2d_0b_3x3"
            units = [["Conv2d_0a_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_3x3"], ["Conv2d_0a_1x1", third], ["Conv2d_0b_1x1"]]
            names[block] = [
                [f"InceptionV1/{block}/Branch_{number}/{unit}" for unit in branch]
                for number, branch in enumerate(units)
            ]
    return names


def weights_2d(model, rng):
    """Random weights of the 2D network that `model` is the inflation of, under TF-Slim's names."""
    values = {}
    for block in model.blocks:
        branches = slim_names().get(block.name, [])
        layers = [[block]] if isinstance(block, Unit3D) else getattr(block, "branches", [])
        for names, branch in zip(branches, layers, strict=True):
            units = [layer for layer in branch if isinstance(layer, Unit3D)]
            for name, unit in zip(names, units, strict=True):
                shape = tuple(unit.conv_3d.kernel.shape)[1:]
                values[f"{name}/weights"] = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
                for statistic in ("beta", "moving_mean"):
                    values[f"{name}/BatchNorm/{statistic}"] = rng.standard_normal(shape[-1:]) * 0.1
                values[f"{name}/BatchNorm/moving_variance"] = rng.uniform(0.5, 1.5, shape[-1:])
    values["InceptionV1/Logits/Conv2d_0c_1x1/weights"] = rng.standard_normal((1, 1, 4, 1001))
    return {name: value.astype("float32") for name, value in values.items()}


def run_2d(image, values):
    """Inception-v1 on one image, by its definition: {block: activations}."""

    def unit(x, name, strides=1):
        x = ops.convert_to_numpy(ops.conv(x, values[f"{name}/weights"], strides=strides, padding="same"))
        mean, variance = (values[f"{name}/BatchNorm/moving_{statistic}"] for statistic in ("mean", "variance"))
        return np.maximum((x - mean) / np.sqrt(variance + 1e-3) + values[f"{name}/BatchNorm/beta"], 0)

    x, endpoints = image[None], {}
    for block, kind, arguments in _ARCHITECTURE:
        if kind == "conv":
            x = unit(x, slim_names()[block][0][0], arguments[2])
        elif kind == "pool":
            size, strides = arguments
            x = ops.convert_to_numpy(ops.max_pool(x, size[1:], strides=strides[1:], padding="same"))
        else:
            b0, b1, b2, b3 = slim_names()[block]
            pooled = ops.convert_to_numpy(ops.max_pool(x, 3, strides=1, padding="same"))
            branches = [unit(x, b0[0]), unit(unit(x, b1[0]), b1[1]), unit(unit(x, b2[0]), b2[1]), unit(pooled, b3[0])]
            x = np.concatenate(branches, axis=-1)
        endpoints[block] = x[0]
    return endpoints


def write_checkpoint(prefix, values):
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    return str(prefix)


@pytest.fixture(scope="module")
def model():
    model = InceptionI3D(3, width=0.05, dropout_rate=0.0)
    model.build((None, 16, 32, 32, 3))
    return model


def test_a_still_clip_gives_the_activations_of_the_2d_network(tmp_path, model):
    rng = np.random.default_rng(0)
    values = weights_2d(model, rng)
    inflation.load(model, write_checkpoint(tmp_path / "inception_v1.ckpt", values))
    image = rng.uniform(-1, 1, (32, 32, 3)).astype("float32")
    clip = np.broadcast_to(image, (1, 240, 32, 32, 3))  # Longer than the receptive field: its middle sees no end.
    endpoints = model.endpoints(clip)
    expected = run_2d(image, values)
    for name, activations in expected.items():
        found = ops.convert_to_numpy(endpoints[name])[0]
        middle = found[found.shape[0] // 2]
        scale = np.abs(activations).max()
        assert scale > 0
        np.testing.assert_allclose(middle / scale, activations / scale, atol=1e-4, err_msg=name)


def test_inflated_kernels_sum_to_the_2d_kernel():
    kernel = np.random.default_rng(1).standard_normal((3, 3, 4, 5)).astype("float32")
    inflated = inflation.inflate(kernel, 7)
    assert inflated.shape == (7, 3, 3, 4, 5)
    np.testing.assert_allclose(inflated.sum(axis=0), kernel, rtol=1e-5)
    np.testing.assert_array_equal(inflated[0], inflated[6])


def test_the_last_layer_stays(tmp_path, model):
    before = keras.ops.convert_to_numpy(model.logits.kernel)
    inflation.load(model, write_checkpoint(tmp_path / "c.ckpt", weights_2d(model, np.random.default_rng(2))))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.logits.kernel), before)


@pytest.mark.parametrize("extra", [True, False])
def test_leftovers_are_named(tmp_path, model, extra):
    values = weights_2d(model, np.random.default_rng(3))
    name = "InceptionV1/Mixed_4d/Branch_3/Conv2d_0b_1x1/weights"
    if extra:
        values["InceptionV1/Mixed_6a/weights"] = np.ones(3, "float32")
        message = "the network has no InceptionV1/Mixed_6a/weights"
    else:
        del values[name]
        message = f"the checkpoint lacks {name}"
    with pytest.raises(UserError, match=message):
        inflation.load(model, write_checkpoint(tmp_path / "c.ckpt", values))


def test_every_variable_but_the_last_layer_is_loaded(model):
    names = {name for branches in slim_names().values() for branch in branches for name in branch}
    assert 4 * len(names) + 2 == len(deepmind_i3d.variables_by_name(model)) == 230
