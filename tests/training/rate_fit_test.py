import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.own_parts.own_parts import Attention
from tsd_tf.config import WORST_QUALITY, Config, Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training import recipe
from tsd_tf.training.rate_fit import RateFit
from tsd_tf.training.stages import stage_model
from tsd_tf.training.train_step import make_train_step
from tsd_tf.training.trainer import Trainer
from tsd_tf.training.validation import ValidationPlan
from tsd_tf.video import codec
from tsd_tf.video.clip_coding import VIDEO_CODECS, time_order
from tsd_tf.work_directory import WorkDirectory

NUM_FRAMES, NUM_DISTILLED, SIZE, CLASSES = 6, 3, 32, 3
STAGE_2 = Stage("tsd_stage2", "network", 2, 0.01, batch_size=4)


@pytest.fixture
def config(tiny_config):
    return tiny_config(
        num_frames=NUM_FRAMES,
        num_distilled_frames=NUM_DISTILLED,
        crop_size=SIZE,
        num_classes=CLASSES,
        weight_decay=0.0,
        client_gradient_clip_norm=None,
        rate_weight=1.0,
        codec_quality=28,
        stages=(STAGE_2,),
    )


@pytest.fixture
def network():
    """A learned selector before a linear main network, neither with batch norm or dropout."""
    keras.utils.set_random_seed(1)
    main_network = keras.Sequential([keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(CLASSES)])
    network = FewFrameNetwork(Attention(NUM_FRAMES, NUM_DISTILLED), main_network)
    network.build((None, NUM_FRAMES, SIZE, SIZE, 3))
    return network


@pytest.fixture
def batch():
    """Four clips of coarse patterns of their own, some livelier than others."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (4, NUM_FRAMES, 4, 4, 3)).repeat(8, axis=2).repeat(8, axis=3)
    patterns[:2, 1:] = patterns[:2, :1]  # two of them stand still
    return {
        "frames": tf.constant(patterns.astype("uint8")),
        "label": tf.constant([0, 1, 2, 0]),
        "seed": tf.zeros((4, 2), tf.int32),
    }


def measured(network, rate_fit, batch):
    """What clips of a batch cost, and the bytes that they take beyond the floor, worked out anew."""
    inputs = to_network_input(batch["frames"])
    matrix = network.transformation_matrix(inputs)
    sent = network.frame_distillation(inputs, matrix)
    clips = zip(to_uint8(sent).numpy(), matrix.numpy(), strict=True)
    sizes = [codec.encode(clip, "h264", 28, order=time_order(matrix)).num_bytes for clip, matrix in clips]
    return rate_fit.clip_codec(sent, matrix)[1].numpy(), np.array(sizes)


def test_the_scale_is_the_least_squares_fit_through_the_bytes_of_one_grey(network, config, batch):
    rate_fit = RateFit(network, config, memory=0.5)
    grey = np.full((NUM_DISTILLED, SIZE, SIZE, 3), 128, np.uint8)
    assert rate_fit.floor == codec.encode(grey, "h264", 28).num_bytes
    later = {**batch, "frames": batch["frames"][:, ::-1] // 2}
    (first, first_sizes), (second, second_sizes) = (measured(network, rate_fit, one) for one in (batch, later))
    rate_fit.update(batch)
    expected = np.sum(first * (first_sizes - rate_fit.floor)) / np.sum(first**2)
    assert rate_fit.values == pytest.approx({"coded_kb": first_sizes.mean() / 1e3, "rate_scale": expected}, rel=1e-4)
    rate_fit.update(later)
    weights = np.repeat([0.5, 1.0], 4)
    costs, beyond = np.r_[first, second], np.r_[first_sizes, second_sizes] - rate_fit.floor
    expected = np.sum(weights * costs * beyond) / np.sum(weights * costs**2)
    assert rate_fit.values == pytest.approx({"coded_kb": second_sizes.mean() / 1e3, "rate_scale": expected}, rel=1e-4)
    np.testing.assert_allclose(rate_fit.kilobytes(first), (rate_fit.floor + expected * first) / 1e3, rtol=1e-4)


def test_clips_without_a_rate_leave_a_finite_scale(network, config, batch):
    rate_fit = RateFit(network, config)
    rate_fit.update({**batch, "frames": tf.fill(batch["frames"].shape, tf.constant(128, tf.uint8))})
    assert np.isfinite(rate_fit.values["rate_scale"])


def test_the_rate_joins_the_loss_of_the_client_alone(network, config, batch):
    stage = stage_model(STAGE_2, network, config)
    assert stage.is_coded
    rate_fit = RateFit(network, config)
    rate_fit.update(batch)
    initial = [np.asarray(variable) for variable in network.variables]
    moves, values = {}, {}
    for weight in (1e-9, 1.0, 3.0):
        for variable, value in zip(network.variables, initial, strict=True):
            variable.assign(value)
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(list(stage.variables))
        before = [np.asarray(variable, "float64") for variable in stage.variables]
        changed = dataclasses.replace(config, rate_weight=weight)
        step = make_train_step(stage, optimizer, changed, tf.distribute.get_strategy(), 4, rate_fit=rate_fit)
        values[weight] = {name: float(value) for name, value in step(batch).items()}
        moves[weight] = [old - np.asarray(new) for old, new in zip(before, stage.variables, strict=True)]
    for is_client, none, one, three in zip(stage.is_client, *moves.values(), strict=True):
        scale = np.abs(three).max()
        np.testing.assert_allclose(three - none, 3 * (one - none), atol=1e-2 * scale + 1e-6)
        if not is_client:
            np.testing.assert_allclose(three, none, atol=1e-6)
    assert any(np.abs(three - none).max() > 1e-6 for none, three in zip(moves[1e-9], moves[3.0], strict=True))
    # The loss that is told stays the cross-entropy.
    assert values[3.0]["loss"] == pytest.approx(values[1e-9]["loss"], rel=1e-5)
    assert values[3.0]["rate_kb"] > rate_fit.floor / 1e3


def test_only_the_stage_that_trains_the_whole_network_on_whole_clips_is_coded(network, config):
    client, shorter = Stage("tsd_stage1", "client", 1, 0.1), Stage("i3d", "network", 1, 0.1, num_frames=3)
    off = dataclasses.replace(config, rate_weight=0.0)
    assert not stage_model(client, network, config).is_coded
    assert not stage_model(STAGE_2, network, off).is_coded
    assert not stage_model(shorter, network, config).is_coded


def test_the_configurations_numbers_are_the_codecs():
    h264 = VIDEO_CODECS["h264"]
    assert Config().codec_quality == h264.quality
    assert h264.worst_quality == WORST_QUALITY


@pytest.mark.slow
def test_a_run_logs_its_rate_and_goes_on_where_it_was(tiny_config, tmp_path):
    config = tiny_config(main_network="resnet3d_18", rate_weight=0.5, codec_quality=30, stages=(STAGE_2,))
    plan = ValidationPlan(num_videos=0)
    whole, interrupted = WorkDirectory(tmp_path / "whole"), WorkDirectory(tmp_path / "interrupted")
    expected = Trainer(whole, config, checkpoint_steps=1, validation=plan).run()
    (line,) = map(json.loads, (whole.path / "log.jsonl").read_text().splitlines())
    assert line["coded_kb"] > 0.2
    assert line["rate_kb"] == pytest.approx(line["coded_kb"], rel=0.5)
    assert line["rate_scale"] > 0
    assert json.loads(whole.config_path.read_text())["rate_weight"] == 0.5
    shutil.copytree(whole.path, interrupted.path)
    shutil.rmtree(interrupted.checkpoints()[2])
    (interrupted.path / "finished").unlink()
    network = Trainer(interrupted, config, checkpoint_steps=1, validation=plan).run()
    for one, other in zip(expected.variables, network.variables, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), atol=1e-5, err_msg=one.path)


@pytest.mark.slow
def test_mixed_precision_in_parts(tiny_config, tmp_path):
    config = tiny_config(mixed_precision=True, gradient_accumulation=2, rate_weight=0.5, stages=(STAGE_2,))
    network = Trainer(WorkDirectory(tmp_path / "run"), config, validation=ValidationPlan(num_videos=0)).run()
    assert {variable.dtype for variable in network.weights} == {"float32"}
    assert json.loads((tmp_path / "run/log.jsonl").read_text())["rate_kb"] > 0.2


def test_a_selector_that_learns_nothing_is_refused(tiny_config, tmp_path):
    config = tiny_config(method="tests.own_parts.own_parts:Brightest", rate_weight=1.0)
    with pytest.raises(UserError, match=r"`rate_weight` is for a selector that learns .*selector=.*:Brightest"):
        recipe.train_on_kinetics(
            config, tmp_path / "run", i3d_config=config, i3d_workdir=None, main_network_weights="nowhere"
        )
    assert not (tmp_path / "run").exists()
