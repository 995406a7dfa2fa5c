import dataclasses
import functools
import json

import pytest

from tsd_tf import config as configs
from tsd_tf.config import METHODS, PUBLISHED, Config, Stage, kinetics400, sample, ucf101
from tsd_tf.data import augmentations
from tsd_tf.training.run_state import learning_rate


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", [kinetics400, ucf101, sample])
def test_json_round_trip(preset, method):
    config = preset(method)
    assert config.method == method
    assert config.stages
    again = Config.from_json(config.to_json())
    assert again == config
    assert isinstance(again.stages[0], Stage)
    assert hash(again) == hash(config)


def test_the_paper_s_setting():
    config = kinetics400()
    assert (config.num_classes, config.crop_size, config.coarse_size, config.embedding_channels) == (400, 224, 112, 512)
    assert (config.initializer_stddev, config.mobilenet_weights) == (0.01, "imagenet")
    stage_1, stage_2 = config.stages
    assert (stage_1.trains, stage_1.num_steps, stage_1.learning_rate, stage_1.decay_factor) == (
        "client",
        50_000,
        0.1,
        0.1,
    )
    assert stage_1.boundaries == (10_000, 20_000, 30_000, 40_000)
    assert (stage_2.trains, stage_2.learning_rate, stage_2.decay_factor) == ("network", 0.01, 0.3)
    assert stage_2.boundaries == (30_000, 60_000)
    assert ucf101().num_classes == 101
    assert ucf101().last_layer_rate_factor == 10.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 0}, r"`num_frames` must be at least 1. Received: num_frames=0"),
        (
            {"num_distilled_frames": -1},
            r"`num_distilled_frames` must be at least 1. Received: num_distilled_frames=-1",
        ),
        (
            {"num_frames": 5, "num_distilled_frames": 10},
            r"`num_distilled_frames` must be at most `num_frames`.*"
            r"Received: num_distilled_frames=10, num_frames=5",
        ),
        (
            {"method": "i3d_x"},
            r"`method` must be one of i3d, .*tsd, or package.module:Class. Received: method=i3d_x",
        ),
        ({"method": "own:"}, r"or package.module:Class. Received: method=own:"),
        (
            {"main_network": "vgg"},
            r"`main_network` must be one of inception_i3d, .*or package.module:function. Received: main_network=vgg",
        ),
        ({"main_network": "own.py:net-work"}, r"or package.module:function. Received: main_network=own.py:net-work"),
        (
            {"augmentations": ["grey", "flip"]},
            r"`augmentations` must be of brightness, .*, or package.module:function. Received: augmentations=flip",
        ),
        ({"gradient_clip_norm": 0.0}, r"`gradient_clip_norm` must be positive. Received: gradient_clip_norm=0.0"),
        (
            {"gradient_accumulation": 4},
            r"`gradient_accumulation` must divide .*gradient_accumulation=4, and 6 clips in stage tsd_stage1",
        ),
        (
            {"main_network": "c3d"},
            r"c3d takes clips of 16 frames, so `method` tsd needs 16 as `num_distilled_frames`. "
            r"Received: num_frames=40, num_distilled_frames=10",
        ),
        (
            {"main_network": "c3d", "method": "i3d_a", "num_distilled_frames": 16},
            r"`method` i3d_a needs 16 as `num_frames`. Received: num_frames=40, num_distilled_frames=16",
        ),
        (
            {"main_network": "c3d", "num_distilled_frames": 16, "stages": [Stage("s", "network", 1, 1, num_frames=8)]},
            r"`num_frames` of stage s must be 16 or None for `main_network` c3d. Received: 8",
        ),
        ({"rate_weight": -0.1}, r"`rate_weight` must be at least 0. Received: rate_weight=-0.1"),
        ({"rate_weight": float("nan")}, r"`rate_weight` must be at least 0. Received: rate_weight=nan"),
        (
            {"rate_weight": 1.0, "method": "i3d_e"},
            r"`rate_weight` is for `method` tsd, .*Received: rate_weight=1.0, method=i3d_e",
        ),
        ({"codec_quality": 52}, r"`codec_quality` must be from 0 \(best\) to 51. Received: codec_quality=52"),
        (
            {"frame_sampling": "keyframes"},
            "`frame_sampling` must be one of consecutive, segments. Received: frame_sampling=keyframes",
        ),
        ({"num_classes": 0}, r"`num_classes` must be at least 1. Received: num_classes=0"),
        (
            {"crop_size": 300},
            r"`crop_size` must be between 1 and `short_side`. Received: crop_size=300, short_side=256",
        ),
    ],
)
def test_values_it_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(kinetics400(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trains": "cloud"}, "`trains` must be 'network', 'client' or 'coarse_extractor'. Received: trains='cloud'"),
        ({"num_steps": 0}, "`num_steps` of stage s must be at least 1. Received: 0"),
        ({"batch_size": 0}, "`batch_size` of stage s must be at least 1. Received: 0"),
        ({"learning_rate": 0.0}, "`learning_rate` of stage s must be positive. Received: 0.0"),
        (
            {"frame_sampling": "random"},
            "`frame_sampling` of stage s must be one of consecutive, segments, or None. Received: 'random'",
        ),
        ({"boundaries": (5, 5)}, r"`boundaries` of stage s must ascend. Received: \(5, 5\)"),
    ],
)
def test_stages_it_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        Stage(**{"name": "s", "trains": "network", "num_steps": 10, "learning_rate": 0.1, **changes})


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("stages"),
        lambda values: values.update(stages=[{"name": "s"}]),
        lambda values: values.update(colour="red"),
        lambda values: values.update(stages=3),
    ],
)
def test_json_of_something_else(change):
    values = json.loads(kinetics400().to_json())
    change(values)
    with pytest.raises(ValueError, match="not a configuration of this version of tsd_tf"):
        Config.from_json(json.dumps(values))
    with pytest.raises(ValueError, match="not a configuration of this version of tsd_tf"):
        Config.from_json("[1, 2]")


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        kinetics400().num_frames = 80


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "tsd_T40_Ts10"),
        ({"method": "i3d_a", "num_distilled_frames": 5}, "i3d_a_T40_Ts5"),
        ({"method": "i3d"}, "i3d"),
        ({"main_network": "c3d", "num_distilled_frames": 16}, "tsd_T40_Ts16_c3d"),
        ({"method": "i3d", "main_network": "resnet3d_18"}, "i3d_resnet3d_18"),
        ({"frame_sampling": "segments"}, "tsd_T40_Ts10_segments"),
        ({"method": "own.parts:Selector", "main_network": "own.parts:network"}, "Selector_T40_Ts10_network"),
    ],
)
def test_run_name(changes, name):
    assert dataclasses.replace(kinetics400(), **changes).run_name == name


def test_parts_of_the_user_s_own_are_kept_by_name():
    parts = {"method": "own:Selector", "main_network": "own:network", "augmentations": ("zoom", "own.more:augment")}
    config = dataclasses.replace(kinetics400(), **parts)
    assert Config.from_json(config.to_json()) == config
    parts["augmentations"] = list(parts["augmentations"])
    assert {name: json.loads(config.to_json())[name] for name in parts} == parts


@pytest.mark.parametrize(("earlier", "today"), [(None, ()), ("own:augment", ("own:augment",))])
def test_a_configuration_of_a_time_with_one_augmentation_is_read(earlier, today):
    values = json.loads(sample().to_json())
    for name in ("augmentations", "held_out_share"):
        del values[name]
    found = Config.from_json(json.dumps(values | {"augmentation": earlier}))
    assert found == dataclasses.replace(sample(), augmentations=today)


def test_an_augmentation_may_be_given_as_a_function():
    config = dataclasses.replace(sample(), augmentations=(augmentations.grey, "zoom"))
    assert config.augmentations == ("tsd_tf.data.augmentations:grey", "zoom")
    for hidden in (lambda frames, seed: frames, functools.partial(augmentations.grey)):
        with pytest.raises(ValueError, match="`augmentations` must be functions at the top of a module"):
            dataclasses.replace(sample(), augmentations=(hidden,))


@pytest.mark.parametrize("preset", [kinetics400, ucf101, sample])
def test_presets_do_not_guess_the_schedule_of_a_selector_of_the_user_s_own(preset):
    with pytest.raises(ValueError, match="tsd_tf.network_builder.preset makes one.*Received: method=own:Selector"):
        preset("own:Selector")


@pytest.mark.parametrize(
    ("name", "frames", "crop", "clips", "rates"),
    [
        ("tsn", 3, 224, 256, {0: 0.001, 18_749: 0.001, 18_750: 1e-4, 37_500: 1e-5}),
        ("artnet", 16, 112, 224, {0: 0.1, 70_000: 0.01, 140_000: 1e-3, 180_000: 1e-4, 249_999: 1e-5}),
        ("c3d", 16, 112, 30, {0: 0.003, 149_999: 0.003, 150_000: 0.0015, 1_899_999: 0.003 / 2**12}),
        ("resnet3d_18", 16, 112, 128, {0: 0.1, 93_750: 0.01, 281_250: 1e-4}),
    ],
)
def test_the_published_schedules(name, frames, crop, clips, rates):
    """Clips of a step on as many GPUs as the authors had, and the rate of some steps."""
    gpus = {"tsn": 4, "artnet": 8, "c3d": 1, "resnet3d_18": 8}[name]
    config = configs.from_preset(name, "i3d")
    (stage,) = config.stages
    assert (config.method, config.num_frames, config.num_distilled_frames, config.crop_size) == (
        "i3d",
        frames,
        frames,
        crop,
    )
    assert stage.batch_size * gpus == clips
    for step, rate in rates.items():
        assert step < stage.num_steps
        assert learning_rate(stage, step) == pytest.approx(rate)
    assert config.clip_spec.frame_sampling == ("segments" if name == "tsn" else "consecutive")
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize("name", PUBLISHED)
def test_fine_tuning_on_ucf101_changes_nothing_that_its_weights_depend_on(name):
    there, here = (configs.from_preset(preset, "i3d") for preset in (name, f"{name}_ucf101"))
    for field in ("main_network", "num_frames", "num_distilled_frames", "crop_size", "short_side", "run_name"):
        assert getattr(here, field) == getattr(there, field)
    assert (here.dataset, here.num_classes, here.evaluation_split) == ("ucf101", 101, "test")
    assert here.data_dir == {"tsn": "data/ucf101/split1"}.get(name, "data/ucf101_128/split1")
    assert here.stages[0].num_steps < there.stages[0].num_steps


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_is_trained_alone(name):
    for preset in (name, f"{name}_ucf101"):
        with pytest.raises(ValueError, match=f"{preset} trains its network alone, so `method` must be i3d.*method=tsd"):
            configs.from_preset(preset, "tsd")
