import json
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks import InceptionI3D, ResNet3D18
from tsd_tf.weights import deepmind_i3d, inflation

pytestmark = pytest.mark.slow

TINY = {"width": 0.04, "dropout_rate": 0.0}


def write_checkpoint(prefix, values):
    names = list(values)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[values[name] for name in names],
    )
    return str(prefix)


def released_values(model, rng, scope=deepmind_i3d.SCOPE):
    """Random weights under the released names and in the released shapes."""
    values = {}
    for name, variable in deepmind_i3d.variables_by_name(model).items():
        shape = (1, 1, 1, *variable.shape) if name == "Logits/Conv3d_0c_1x1/conv_3d/w" else variable.shape
        values[scope + name] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return values


@pytest.fixture(scope="module")
def model():
    model = InceptionI3D(3, **TINY)
    model.build((None, 4, 32, 32, 3))
    return model


@pytest.fixture(scope="module")
def golden(test_data):
    folder = test_data / "golden" / "i3d_deepmind"
    if not folder.is_dir():
        pytest.skip(f"no golden answers in {folder}")
    return folder


@pytest.fixture(scope="module")
def golden_model(golden, tmp_path_factory):
    recipe = runpy.run_path(str(golden / "weights_recipe.py"))
    prefix = write_checkpoint(tmp_path_factory.mktemp("golden") / "model.ckpt", recipe["weights"](0))
    model = InceptionI3D(400)
    model.build((None, 10, 224, 224, 3))
    deepmind_i3d.load(model, prefix)
    return model, recipe["clip"]


def test_names_are_those_of_the_released_checkpoint(golden, golden_model):
    released = json.loads((golden / "variables.json").read_text())
    ours = deepmind_i3d.variables_by_name(golden_model[0])
    assert len(released) == len(ours) == 230
    assert {deepmind_i3d.SCOPE + name for name in ours} == set(released)


@pytest.mark.parametrize("num_frames", [10, 16, 20, 40])
def test_logits_and_endpoints_equal_deepminds(golden, golden_model, num_frames):
    model, clip = golden_model
    answers = np.load(golden / "logits_seed0.npz")
    endpoints = model.endpoints(clip(0, num_frames))
    logits = keras.ops.convert_to_numpy(endpoints["Logits"])
    np.testing.assert_allclose(logits, answers[f"logits_T{num_frames}"], rtol=0, atol=1e-3)
    checked = 0
    for key in answers.files:
        if key.startswith(f"T{num_frames}/") and key.endswith("/shape"):
            name = key.split("/")[1]
            value = keras.ops.convert_to_numpy(endpoints[name])
            assert value.shape == tuple(answers[key])
            mean_std = answers[f"T{num_frames}/{name}/mean_std"]
            np.testing.assert_allclose([value.mean(), value.std()], mean_std, rtol=1e-4)
            checked += 1
    assert checked == 6


@pytest.mark.parametrize("scope", [deepmind_i3d.SCOPE, ""])
@pytest.mark.parametrize("sonnet_batch_norm", [False, True])
def test_every_variable_arrives(tmp_path, model, scope, sonnet_batch_norm):
    values = released_values(model, np.random.default_rng(0), scope)
    written = {
        name: value.reshape(1, 1, 1, 1, -1) if sonnet_batch_norm and "batch_norm" in name else value
        for name, value in values.items()
    }
    deepmind_i3d.load(model, write_checkpoint(tmp_path / "model.ckpt", written))
    named = deepmind_i3d.variables_by_name(model)
    assert {id(variable) for variable in named.values()} == {id(variable) for variable in model.variables}
    for name, variable in named.items():
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(variable), values[scope + name].reshape(variable.shape), err_msg=name
        )


def refusal(tmp_path, model, change):
    """The one-line message that `load` refuses a changed checkpoint with; checks that nothing was loaded."""
    values = released_values(model, np.random.default_rng(1))
    change(values)
    before = [value.copy() for value in model.get_weights()]
    with pytest.raises(UserError) as caught:
        deepmind_i3d.load(model, write_checkpoint(tmp_path / "model.ckpt", values))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_variable_too_few_is_named(tmp_path, model):
    message = refusal(tmp_path, model, lambda values: values.pop(f"{deepmind_i3d.SCOPE}Mixed_4c/Branch_1/"
                                                                 "Conv3d_0b_3x3/batch_norm/beta"))  # fmt: skip
    assert "the checkpoint lacks Mixed_4c/Branch_1/Conv3d_0b_3x3/batch_norm/beta" in message


def test_a_variable_too_many_is_named(tmp_path, model):
    extra = {f"{deepmind_i3d.SCOPE}Conv3d_1a_7x7/batch_norm/gamma": np.ones(3, "float32")}
    message = refusal(tmp_path, model, lambda values: values.update(extra))
    assert "the network has no Conv3d_1a_7x7/batch_norm/gamma" in message


def test_another_class_count_is_named_with_both_shapes(tmp_path, model):
    head = {
        f"{deepmind_i3d.SCOPE}Logits/Conv3d_0c_1x1/conv_3d/w": np.ones((1, 1, 1, 41, 600), "float32"),
        f"{deepmind_i3d.SCOPE}Logits/Conv3d_0c_1x1/conv_3d/b": np.ones(600, "float32"),
    }
    message = refusal(tmp_path, model, lambda values: values.update(head))
    assert "Logits/Conv3d_0c_1x1/conv_3d/b (expected (3,), got (600,))" in message


def test_another_network_is_listed_short(tmp_path, model):
    def optical_flow(values):
        for name in list(values):
            values[name.replace("RGB", "Flow")] = values.pop(name)

    message = refusal(tmp_path, model, optical_flow)
    assert "and 220 more" in message
    assert len(message) < 2500


def test_another_main_network_is_refused(tmp_path, model):
    other = ResNet3D18(3, width=0.04)
    other.build((None, 4, 32, 32, 3))
    prefix = write_checkpoint(tmp_path / "model.ckpt", released_values(model, np.random.default_rng(1)))
    for load in (deepmind_i3d.load, inflation.load):
        with pytest.raises(UserError, match=r"`main_network` must be inception_i3d .* Received: ResNet3D18"):
            load(other, prefix)


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_no_checkpoint_there(tmp_path, model, content):
    prefix = tmp_path / "model.ckpt"
    if content is not None:
        prefix.with_name("model.ckpt.index").write_bytes(content)
    with pytest.raises(UserError, match="model.ckpt is not a readable TensorFlow checkpoint"):
        deepmind_i3d.load(model, prefix)


def test_converts_to_keras_weights_of_as_many_classes(tmp_path):
    source = InceptionI3D(6)
    source.build((None, 4, 32, 32, 3))
    values = released_values(source, np.random.default_rng(2), scope="")
    prefix = write_checkpoint(tmp_path / "model.ckpt", values)
    output = tmp_path / "made" / "i3d.weights.h5"
    assert deepmind_i3d.convert(prefix, output) == 6
    model = InceptionI3D(6)
    model.build((None, 4, 32, 32, 3))
    model.load_weights(output)
    for name, variable in deepmind_i3d.variables_by_name(model).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), values[name].reshape(variable.shape))
    assert [path.name for path in output.parent.iterdir()] == ["i3d.weights.h5"]


def test_does_not_convert_what_it_cannot_write_or_read(tmp_path):
    with pytest.raises(UserError, match=r"must end in .weights.h5. Received: i3d.ckpt"):
        deepmind_i3d.convert(tmp_path / "model.ckpt", "i3d.ckpt")
    prefix = write_checkpoint(tmp_path / "model.ckpt", {"Flow/inception_i3d/x": np.ones(3, "float32")})
    with pytest.raises(UserError, match="it has no RGB logits"):
        deepmind_i3d.convert(prefix, tmp_path / "i3d.weights.h5")
