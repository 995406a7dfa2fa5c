"""Recipes, flags and presets: what the programs that train come to, before they train."""

import importlib
import json

import pytest
from absl import flags
from absl.testing import flagsaver

from tsd_tf.config import custom, kinetics400, sample
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import run_flags, train_kinetics


@pytest.fixture(scope="module", autouse=True)
def program():
    """The flags of train_kinetics, whatever other program's were defined before."""
    importlib.reload(train_kinetics)


@pytest.fixture
def configs():
    """A function: the Config of a command's run, and that of the I3D that comes first."""

    def configs(*arguments):
        with flagsaver.flagsaver():
            flags.FLAGS(["train_kinetics.py", *arguments])
            found = run_flags.config_from_flags(), run_flags.config_from_flags("i3d")
            run_flags.is_only_printed(*found)
            return found

    return configs


def write(path, **values):
    path.write_text(json.dumps(values))
    return f"--config={path}"


def steps(config):
    return {stage.name: stage.num_steps for stage in config.stages}


def test_without_flags_it_is_the_preset(configs):
    assert configs() == (kinetics400(), kinetics400("i3d"))
    assert configs("--preset=sample", "--method=i3d_a") == (sample("i3d_a"), sample("i3d"))


def test_preset_recipe_flags_each_wins_over_what_comes_before(configs, tmp_path):
    recipe = write(tmp_path / "r.json", preset="sample", num_frames=16, dropout_rate=0.3, main_network_width=0.5)
    run, first = configs(recipe, "--dropout_rate=0.4", "--weight_decay=0.01")
    assert (run.dataset, run.num_frames, run.dropout_rate, run.weight_decay) == ("sample", 16, 0.4, 0.01)
    assert (run.main_network_width, run.stages) == (0.5, sample().stages)
    # Of its frames I3D takes nothing, of what the two share everything.
    assert (first.num_frames, first.main_network_width, first.weight_decay) == (20, 0.5, 0.01)
    assert configs(recipe, "--preset=kinetics400")[0].dataset == "kinetics400"


def test_a_named_split_holds_nothing_out_whatever_a_recipe_says(configs, tmp_path):
    recipe = write(tmp_path / "r.json", held_out_share=0.01)
    assert configs(recipe)[0].held_out_share == 0.01
    assert configs(recipe, "--validation_split=validate")[0].held_out_share == 0
    assert configs(recipe, "--validation_videos=0")[0].held_out_share == 0
    assert configs(recipe, "--validation_split=validate", "--held_out_share=0.02")[0].held_out_share == 0.02


def test_a_network_that_is_trained_alone_takes_no_selector_of_ones_own(configs):
    with pytest.raises(UserError, match="tsn trains its network alone, so it takes no selector of your own"):
        configs("--preset=tsn", "--selector=tsd_tf.selectors:Segments")


def test_i3d_takes_no_lengths(configs):
    with pytest.raises(UserError, match=r"received --T=5\. Give them to evaluate.py"):
        configs("--preset=tsn", "--T=5")


def test_a_recipe_names_its_method_and_what_holds_for_others(configs, tmp_path):
    stage = {"name": "only", "trains": "network", "num_steps": 7, "learning_rate": 0.1}
    recipe = write(tmp_path / "r.json", method="i3d_e", stages=[stage], methods={"i3d": {"stages": [stage] * 2}})
    run, first = configs(recipe)
    assert (run.method, steps(run), len(first.stages)) == ("i3d_e", {"only": 7}, 2)
    assert configs(recipe, "--method=tsd")[0].method == "tsd"


def test_a_run_s_config_json_is_a_recipe(configs, tmp_path):
    (tmp_path / "config.json").write_text(sample("i3d_a").to_json())
    assert configs(f"--config={tmp_path}/config.json") == (
        sample("i3d_a"),
        kinetics400("i3d").changed(
            {"dataset": "sample", "data_dir": "data/sample", "evaluation_split": "test", "num_classes": 6}
            | {"short_side": 64, "crop_size": 64, "main_network_width": 0.25, "dropout_rate": 0.2}
            | {"main_network_batch_norm_momentum": 0.9, "held_out_share": 0.0}
        ),
    )


def test_stages_are_changed_all_or_by_name(configs):
    run, first = configs("--num_steps=700,tsd_stage1=25,i3d=1150", "--learning_rate=0.5", "--optimizer=tsd_stage2=adam")
    one, two = run.stages
    assert (one.num_steps, one.boundaries) == (25, (5, 10, 15, 20))
    assert (two.num_steps, two.boundaries) == (700, (233, 467))
    assert [stage.learning_rate for stage in run.stages] == [0.5, 0.5]
    assert [stage.optimizer for stage in run.stages] == ["sgd", "adam"]
    (i3d,) = first.stages
    assert (i3d.num_steps, i3d.boundaries, i3d.learning_rate) == (1150, (970, 1080), 0.1)
    assert configs("--num_steps=1")[0].stages[0].boundaries == (1,)
    assert steps(configs("--num_steps=700", "--max_steps=30")[0]) == {"tsd_stage1": 30, "tsd_stage2": 30}


def test_all_methods_may_have_as_many_updates(configs, tmp_path):
    run, first = configs("--method=i3d_e", "--same_updates")
    (stage,) = run.stages
    assert (stage.num_steps, stage.boundaries) == (140_000, (46_667, 93_333))
    assert first == kinetics400("i3d")
    assert configs("--same_updates")[0] == kinetics400()
    assert steps(configs("--method=i3d_a", "--preset=sample", "--same_updates")[0]) == {"coarse": 400, "sampling": 600}
    of_tsd = ("--num_steps=tsd_stage1=100,tsd_stage2=300", "--same_updates")
    assert steps(configs(*of_tsd, "--method=i3d_r")[0]) == {"sampling": 400}
    long = [{"name": name, "trains": "network", "num_steps": 140_000, "learning_rate": 0.1} for name in "ab"]
    with pytest.raises(UserError, match="TSD has 140000 steps in all, and 140000 come before stage b"):
        configs(write(tmp_path / "r.json", methods={"i3d_e": {"stages": long}}), "--method=i3d_e", "--same_updates")
    with pytest.raises(UserError, match="--same_updates is for methods that start from I3D"):
        configs("--method=i3d", "--same_updates")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--preset=sample", "--seed=3", "--batch_size=2", "--T=10", "--crop_size=32"],
        ["--method=i3d", "--num_steps=3", "--preset=custom", "--num_classes=9"],
        ["--method=i3d_a", "--same_updates", "--learning_rate=0.5,i3d=0.2", "--mixed_precision", "--width=0.5"],
        ["--method=i3d_e", "--main_network=c3d", "--T=16", "--Ts=16", "--rate_weight=0"],
    ],
    ids=str,
)
def test_what_is_printed_is_the_same_run(configs, arguments, tmp_path, capsys):
    arguments = [argument.replace("--width", "--main_network_width") for argument in arguments]
    wanted = configs(*arguments)
    capsys.readouterr()
    assert configs(*arguments, "--print_config") == wanted
    (tmp_path / "printed.json").write_text(text := capsys.readouterr().out)
    again = f"--config={tmp_path}/printed.json"
    assert configs(again) == wanted
    configs(again, "--print_config")
    assert capsys.readouterr().out == text


def test_classes_of_one_s_own_data_come_from_the_recipe_or_from_its_labels(configs, tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    data = f"--data_dir={tmp_path}"
    assert configs("--preset=custom", data)[0] == custom().changed({"num_classes": 3, "data_dir": str(tmp_path)})
    assert configs(write(tmp_path / "r.json", preset="custom", num_classes=9))[0].num_classes == 9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_frame": 3}, r"r.json: there is no field 'num_frame'; the nearest is 'num_frames'"),
        ({"seed": "one"}, r"r.json: expected an integer in 'seed', got \"one\""),
        ({"methods": {"i3d": {"sed": 1}}}, r"r.json: there is no field 'sed'; the nearest is 'seed'"),
        ({"methods": {"i3d_x": {}}}, r"r.json: expected i3d, .* or package.module:Class in 'methods', got 'i3d_x'"),
        ({"stages": [{"name": "a"}]}, r"r.json: expected trains, num_steps, learning_rate of stage a, got none"),
        (
            {"stages": [{"name": "a", "num_step": 1}]},
            r"r.json: there is no field 'num_step' of stage a; the nearest is 'num_steps'",
        ),
        ({"preset": "ucf101"}, r"r.json: expected one of kinetics400, .* in 'preset', got 'ucf101'"),
        ({"num_frames": 3}, r"`num_distilled_frames` must be at most .*\(.*r.json is part of this configuration\)"),
        ({"method": "i3d_x"}, r"`method` must be one of"),
    ],
)
def test_recipes_it_refuses(configs, tmp_path, values, message):
    with pytest.raises(UserError, match=message):
        configs(write(tmp_path / "r.json", **values))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--num_steps=tsd_stag2=3", "names a stage 'tsd_stag2' that is not trained, the nearest is 'tsd_stage2'"),
        ("--optimizer=rmsprop", "`optimizer` must be 'sgd' or 'adam'. Received: optimizer='rmsprop'"),
        ("--num_steps=0", "`num_steps` of stage tsd_stage1 must be at least 1. Received: 0"),
        ("--learning_rate=-1", "`learning_rate` of stage tsd_stage1 must be positive. Received: -1.0"),
        ("--dropout_rate=1", "`dropout_rate` must be at least 0 and below 1. Received: dropout_rate=1.0"),
        ("--main_network_width=0", "`main_network_width` must be positive"),
        ("--weight_decay=nan", "expected a number in 'weight_decay', got NaN"),
    ],
)
def test_flags_it_refuses(configs, argument, message):
    with pytest.raises(UserError, match=message):
        configs(argument)


@pytest.mark.parametrize("argument", ["--num_steps=many", "--num_steps=tsd_stage1=", "--learning_rate=1,2"])
def test_flags_that_cannot_be_read(configs, argument):
    with pytest.raises(flags.IllegalFlagValueError, match="expected"):
        configs(argument)
