"""Selectors and main networks of a user's own, from a module outside of tsd_tf: own_parts.py beside this file."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.config import Stage, sample
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export import exporter, tflite, verification
from tsd_tf.export.client_half import ClientHalf
from tsd_tf.export.cloud_half import CloudHalf
from tsd_tf.export.saved_model import save_client
from tsd_tf.main_networks import InceptionI3D
from tsd_tf.main_networks.interface import check_main_network, last_layer
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_main_network, build_network, build_selector, preset
from tsd_tf.selectors import Uniform
from tsd_tf.training import initialization, recipe
from tsd_tf.training.replicas import moving_statistics
from tsd_tf.training.stages import stage_model
from tsd_tf.training.trainer import Trainer
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(__file__).parent
ROOT = FOLDER.parents[1]
NETWORKS = ("functional", "sequential", "Subclassed", "PlainLayer")


@pytest.fixture(scope="module", autouse=True)
def importable():
    """own_parts can be imported, as from the folder that a program is started in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield


def own(name):
    return f"own_parts:{name}"


def config_of(main_network, method="Attention", **changes):
    changes = {"num_frames": 8, "num_distilled_frames": 5, **changes}
    return dataclasses.replace(sample(), method=own(method), main_network=own(main_network), **changes)


def clips(count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 64, 64, 3), "uint8")


def values(variables):
    return [np.array(variable) for variable in variables]


def paths(variables):
    return [variable.path for variable in variables]


@pytest.mark.parametrize("main_network", NETWORKS)
def test_any_keras_model_or_layer_is_a_main_network(main_network):
    network = build_network(config_of(main_network))
    frames = to_network_input(clips())
    logits = network(frames)
    assert logits.shape == (2, 6) == network.compute_output_shape((2, 8, 64, 64, 3))
    assert network.num_classes == 6
    np.testing.assert_allclose(network.cloud(network.client(frames)), logits, atol=1e-5)
    head = last_layer(network.main_network, 6)
    assert [variable.shape[-1] for variable in head.variables] == [6, 6]


@pytest.mark.parametrize("main_network", NETWORKS)
def test_the_exported_cloud_half_is_the_network(tmp_path, main_network):
    network = build_network(config_of(main_network))
    # No variable is left as it was made: statistics of batch norm must reach the export, too.
    draw = np.random.default_rng(0)
    for variable in network.main_network.weights:
        variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    half = CloudHalf(network, list("abcdef"), 64)
    module = tf.Module()
    module.weights = half.weights
    tf.saved_model.save(module, str(tmp_path / "cloud"), signatures=half.signatures())
    frames = clips()[:, :5]
    answer = tf.saved_model.load(str(tmp_path / "cloud")).signatures["serving_default"](frames=frames)
    expected = np.asarray(network.cloud(to_network_input(frames), training=False))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(answer["logits"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("main_network", [*NETWORKS, None])
def test_a_few_frame_network_is_a_functional_layer(main_network):
    part = build_main_network(config_of(main_network)) if main_network else InceptionI3D(6, width=0.03)
    inputs = keras.Input((8, 64, 64, 3))
    outputs = FewFrameNetwork(Uniform(8, 5), part)(inputs)
    assert (outputs.shape, outputs.dtype) == ((None, 6), "float32")
    frames = to_network_input(clips())
    np.testing.assert_allclose(
        keras.Model(inputs, outputs)(frames), part(np.asarray(frames)[:, [0, 1, 3, 4, 6]]), rtol=1e-4, atol=1e-5
    )


def test_what_its_maker_froze_stays_frozen_through_both_stages():
    config = config_of("functional", "Coarse")
    network = build_network(config)
    made = paths(network.trainable_variables)
    client, whole = Stage("client", "client", 1, 0.1), Stage("whole", "network", 1, 0.1)
    for _ in range(2):
        stage = stage_model(client, network, config)
        assert paths(stage.variables) == paths(network.selector.score.variables)
        assert moving_statistics(stage.model) == []
        stage = stage_model(whole, network, config)
        assert paths(stage.variables) == made
        assert [path for path in made if path.startswith("stem")] == []
        assert paths(moving_statistics(stage.model)) == ["body_norm/moving_mean", "body_norm/moving_variance"]
    before = values(network.variables)
    network(to_network_input(clips()), training=True)
    moved = [
        path
        for path, old, new in zip(paths(network.variables), before, values(network.variables), strict=True)
        if not np.array_equal(old, new)
    ]
    assert [path for path in moved if "seed" not in path] == ["body_norm/moving_mean", "body_norm/moving_variance"]


def test_a_stage_that_would_train_nothing_is_refused():
    config = config_of("functional", "Brightest")
    network = build_network(config)
    with pytest.raises(UserError, match="stage client has nothing to train"):
        stage_model(Stage("client", "client", 1, 0.1), network, config)
    with pytest.raises(UserError, match="stage c trains a coarse extractor, and the selector Brightest has none"):
        stage_model(Stage("c", "coarse_extractor", 1, 0.1), network, config)


@pytest.mark.parametrize("main_network", NETWORKS)
def test_the_last_layer_has_a_rate_of_its_own_and_is_new_in_fine_tuning(main_network, tiny_config, tmp_path):
    config = config_of(main_network, last_layer_rate_factor=10.0)
    network = build_network(config)
    stage = stage_model(Stage("whole", "network", 1, 0.1), network, config)
    fast = [variable for variable, rate in zip(stage.variables, stage.rate_factors, strict=True) if rate == 10.0]
    assert paths(fast) == paths(last_layer(network.main_network, 6).variables)

    run = WorkDirectory(tmp_path / "run")
    folder = run.checkpoints_path / "step_00000001"
    folder.mkdir(parents=True)
    network.save_weights(folder / "network.weights.h5")
    run.config_path.write_text(config.to_json())
    target = build_network(dataclasses.replace(config, num_classes=4))
    head = values(last_layer(target.main_network, 4).variables)
    initialization.load_for_fine_tuning(target, run.path)
    for old, new in zip(head, last_layer(target.main_network, 4).variables, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))
    same = [
        np.array_equal(np.asarray(its), np.asarray(mine))
        for its, mine in zip(network.weights, target.weights, strict=True)
        if its.shape == mine.shape
    ]
    assert all(same)
    assert len(same) == len(network.weights) - 2


def test_a_network_without_a_last_layer_of_its_classes_says_so():
    network = keras.Sequential([keras.layers.GlobalAveragePooling3D(), keras.layers.Lambda(lambda x: x)])
    with pytest.raises(UserError, match="the last layer of the main network Sequential cannot be found.*of 3 outputs"):
        last_layer(network, 3)


@pytest.mark.parametrize(
    ("main_network", "message"),
    [
        ("with_softmax", "own_parts:with_softmax answers with probabilities, where logits are expected"),
        ("of_other_classes", r"logits of shape \(batch, 6\), one for each class. Received: \(None, 7\)"),
        ("of_every_frame", r"logits of shape \(batch, 6\).*Received: \(None, 5, 1, 1, 6\)"),
        ("of_two_answers", "cannot be called on frames.*answers with a list"),
        ("of_long_clips", r"own_parts:of_long_clips cannot be called on frames of shape \(None, 5, 64, 64, 3\)"),
        ("no_network", "or a function that returns one. Received: main_network=own_parts:no_network, which returns"),
        ("not_callable", "own_parts.not_callable cannot be called; that module has .*functional.*Received: main_net"),
        (
            "netwrok",
            "there is no own_parts.netwrok; that module has .*functional.*Received: main_network=own_pa",
        ),
    ],
)
def test_main_networks_it_refuses(main_network, message):
    with pytest.raises(UserError, match=message):
        build_network(config_of(main_network))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "nowhere:Selector",
            "a module that cannot be found: expected nowhere.py .*Received: selector=nowhere:S",
        ),
        ("own_parts.deeper:Selector", "expected own_parts/deeper.py"),
        (
            "own_parts:functional",
            "must name a class that derives from tsd_tf.Selector. Received: selector=own_",
        ),
        ("own_parts:Subclassed", "must name a class that derives from tsd_tf.Selector"),
        ("needs_more:Selector", "cannot be imported: it needs a_package_of_nobody, which is not installed"),
    ],
)
def test_selectors_it_refuses(method, message, tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import a_package_of_nobody\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=message):
        build_selector(dataclasses.replace(sample(), method=method))
    with pytest.raises(UserError, match=message):
        preset("sample", method)


def test_softmax_is_refused_by_the_export_too(tiny_config, tmp_path):
    config = config_of("functional", stages=())
    network = build_network(config)
    main_network = network.main_network
    network = FewFrameNetwork(network.selector, keras.Sequential([main_network, keras.layers.Softmax()]))
    with pytest.raises(UserError, match="answers with probabilities"):
        exporter.export(network, config, list("abcdef"), tmp_path, clips(), clips(seed=1))
    assert list(tmp_path.iterdir()) == []


def test_this_package_s_networks_are_not_asked(monkeypatch):
    network = InceptionI3D(6, width=0.03)
    monkeypatch.setattr(type(network), "__call__", None)
    check_main_network(network, 6, (None, 5, 64, 64, 3))
    with pytest.raises(UserError, match=r"logits of shape \(batch, 7\)"):
        check_main_network(network, 7, (None, 5, 64, 64, 3))


@pytest.mark.parametrize(
    ("stages", "method", "expected"),
    [
        ((), "i3d_e", 5),
        ((Stage("a", "client", 1, 0.1), Stage("b", "network", 1, 0.1)), "tsd", 5),
        ((Stage("a", "network", 1, 0.1, num_frames=6),), "i3d_e", None),
        ((Stage("a", "coarse_extractor", 1, 0.1, num_frames=1),), "tsd", 5),
        ((Stage("a", "network", 1, 0.1),), "i3d_a", None),
    ],
)
def test_a_main_network_is_told_the_length_of_its_clips_where_there_is_one(monkeypatch, stages, method, expected):
    import own_parts

    told = []

    def network(input_shape, num_classes):
        told.append((input_shape, num_classes))
        return own_parts.sequential(input_shape, num_classes)

    monkeypatch.setattr(own_parts, "sequential_told", network, raising=False)
    build_network(dataclasses.replace(config_of("sequential_told", stages=stages), method=method))
    assert told == [((expected, 64, 64, 3), 6)]


def test_the_schedule_of_a_selector_of_one_s_own():
    stages = {
        name: [stage.name for stage in preset("sample", own(name)).stages]
        for name in ("Attention", "Coarse", "Brightest")
    }
    assert stages == {
        "Attention": ["tsd_stage1", "tsd_stage2"],
        "Coarse": ["coarse", "tsd_stage1", "tsd_stage2"],
        "Brightest": ["sampling"],
    }
    config = preset("kinetics400", own("Attention"))
    assert (config.method, config.run_name) == ("own_parts:Attention", "Attention_T40_Ts10")


@pytest.mark.parametrize("method", ["Attention", "Coarse", "Brightest"])
def test_the_exported_client_half_is_the_selector(tmp_path, method):
    network = build_network(config_of("sequential", method))
    half = save_client(network, 64, tmp_path / "client")
    assert half.feature_shape is None
    assert list(half.signatures()) == ["distill"]
    contents = tflite.convert(tmp_path / "client", ["distill"], "float32")
    distill = verification.tflite_signatures(contents)["distill"]
    for clip in clips(3):
        answer = distill(frames=clip[None])
        matrix = np.asarray(network.transformation_matrix(to_network_input(clip[None]), training=False))
        np.testing.assert_allclose(answer["transformation_matrix"], matrix, atol=1e-4)
    assert np.ptp(matrix) > 0.005


def test_a_selector_that_litert_cannot_run_is_named(tmp_path, monkeypatch):
    network = build_network(config_of("sequential", "Brightest"))
    real = ClientHalf._transposed_matrix

    def with_determinant(self, frames):
        matrix = real(self, frames)
        return matrix * tf.linalg.det(tf.eye(3) * tf.reduce_sum(matrix))

    monkeypatch.setattr(ClientHalf, "_transposed_matrix", with_determinant)
    save_client(network, 64, tmp_path / "client")
    with pytest.raises(UserError, match="cannot run on LiteRT, which has no operation MatrixDeterminant"):
        tflite.convert(tmp_path / "client", ["distill"], "float32")


@pytest.fixture(scope="module")
def trained(tiny_config, tmp_path_factory):
    """(work directory, network) of a run of both stages on parts of one's own, a checkpoint after every step."""
    run = WorkDirectory(tmp_path_factory.mktemp("own") / "run")
    config = tiny_config(method=own("Attention"), main_network=own("functional"))
    return run, Trainer(run, config, checkpoint_steps=1, keep_checkpoints=9).run()


def test_both_stages_train_what_is_not_frozen(trained, tiny_config):
    run, network = trained
    keras.utils.set_random_seed(tiny_config().seed)
    start = build_network(run.config())
    moved = {
        path
        for path, old, new in zip(paths(network.weights), values(start.weights), values(network.weights), strict=True)
        if not np.array_equal(old, new)
    }
    assert not {path for path in moved if path.startswith("stem")}
    assert len(moved) == len(network.weights) - len(start.main_network.get_layer("stem").weights) - 4
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["entropy"] <= np.log(8) + 1e-5 for line in lines)


def test_a_resumed_run_ends_with_the_same_weights(trained, tmp_path):
    run, network = trained
    shutil.copytree(run.path, tmp_path / "run")
    for step in (3, 4):
        shutil.rmtree(tmp_path / f"run/checkpoints/step_{step:08d}")
    (tmp_path / "run/finished").unlink()
    again = Trainer(WorkDirectory(tmp_path / "run"), run.config(), checkpoint_steps=1).run()
    for path, mine, its in zip(paths(network.weights), values(network.weights), values(again.weights), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-6, err_msg=path)


def test_a_run_is_exported(trained, tmp_path):
    run, _ = trained
    network = run.load_network()
    sidecar, report = exporter.export(network, run.config(), run.labels(), tmp_path, clips(3), clips(3, seed=1))
    assert (sidecar.signatures, sidecar.feature_shape, sidecar.method) == (("distill",), None, "own_parts:Attention")
    assert report["cloud"]["tensorflow"]["float32"]["logits"] < 1e-4
    assert report["client"]["float32"]["transformation_matrix"] < 1e-4


def test_unusable_parts_are_refused_before_anything_is_written(tiny_config, tmp_path):
    for changes in (
        {"main_network": own("with_softmax")},
        {"method": own("nothing")},
        {"augmentations": ("grey", "own_parts:nothing")},
    ):
        config = tiny_config(**changes)
        with pytest.raises(UserError, match=r"with_softmax|nothing"):
            recipe.train_on_kinetics(
                config, tmp_path / "run", i3d_config=config, i3d_workdir=tmp_path / "i3d", main_network_weights="x"
            )
        with pytest.raises(UserError, match=r"with_softmax|nothing"):
            recipe.fine_tune(config, tmp_path / "run", tmp_path / "i3d")
    assert list(tmp_path.iterdir()) == []


_REPLICAS = """
import dataclasses
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

from tsd_tf.config import Stage, sample
from tsd_tf.network_builder import build_network
from tsd_tf.training.stages import stage_model
from tsd_tf.training.train_step import make_train_step

config = dataclasses.replace(
    sample(), num_frames=8, num_distilled_frames=5, method="own_parts:Attention", main_network="own_parts:{name}"
)
with strategy.scope():
    network = build_network(config)
    stage = stage_model(Stage("whole", "network", 1, 0.1), network, config)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(list(stage.variables))
rng = np.random.default_rng(0)
data = tf.data.Dataset.from_tensor_slices(
    {{
        "frames": rng.integers(0, 256, (4, 8, 64, 64, 3)).astype("uint8"),
        "label": rng.integers(0, 6, 4).astype("int32"),
        "seed": np.zeros((4, 2), "int32"),
    }}
).batch(4)
step = make_train_step(stage, optimizer, config, strategy, 4)
before = [np.array(variable) for variable in stage.variables]
loss = [float(step(batch)["loss"]) for batch in strategy.experimental_distribute_dataset(data)][0]
assert np.isfinite(loss)
assert any((old != np.asarray(variable)).any() for old, variable in zip(before, stage.variables))
"""


@pytest.mark.parametrize("name", ["functional", "Subclassed"])
def test_parts_of_one_s_own_train_on_several_replicas(name):
    done = subprocess.run(
        [sys.executable, "-c", _REPLICAS.format(name=name)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{FOLDER}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_the_programs_take_parts_by_name(tmp_path, sample_shards):
    """From a user's folder, where the module lies: training, which resumes, evaluation and export."""
    shutil.copy(FOLDER / "own_parts.py", tmp_path / "mine.py")

    def run(*command, code=0):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} if command[0] == "-m" else None
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    train = [str(ROOT / "train_kinetics.py"), "--preset=sample", "--max_steps=1", "--batch_size=2"]
    train += [f"--data_dir={sample_shards}", "--T=8", "--Ts=5", "--selector=mine:Attention"]
    output = run(*train, "--main_network=mine:with_softmax", code=1)
    assert "error: the main network mine:with_softmax answers with probabilities" in output
    assert not (tmp_path / "runs").exists()

    train.append("--main_network=mine:functional")
    run(*train)
    folder = tmp_path / "runs/sample/Attention_T8_Ts5_functional"
    assert {path.name for path in folder.parent.iterdir()} == {"i3d_functional", folder.name}
    config = json.loads((folder / "config.json").read_text())
    assert (config["method"], config["main_network"]) == ("mine:Attention", "mine:functional")
    assert [stage["name"] for stage in config["stages"]] == ["tsd_stage1", "tsd_stage2"]
    shutil.rmtree(folder / "checkpoints/step_00000002")
    (folder / "finished").unlink()
    run(*train)
    assert (folder / "finished").exists()

    run(str(ROOT / "evaluate.py"), "--clips=1", f"--workdir={folder}")
    found = json.loads((folder / "evaluation_test_T8_Ts5_clips1.json").read_text())
    assert (found["method"], found["main_network"], found["videos"]) == ("mine:Attention", "mine:functional", 6)
    run("-m", "tsd_tf.export", f"--workdir={folder}", "--check_clips=1", "--variants=float32")
    report = json.loads((tmp_path / "export/report.json").read_text())
    assert report["cloud"]["tensorflow"]["float32"]["logits"] < 1e-4
