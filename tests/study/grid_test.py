"""The grid is the issue's: every row of the paper's tables at small scale, nobody favoured."""

import collections
import dataclasses

import pytest

from study import grid, settings, tune
from study.cell import with_starts
from study.data import exact_split
from tsd_tf.contract.errors import UserError


@pytest.fixture(scope="module")
def study():
    return settings.full()


@pytest.fixture(scope="module")
def cells(study):
    return grid.cells(study)


def of_group(cells, name, seed=None):
    return [cell for cell in cells if cell.group == name and seed in (None, cell.seed)]


def places(cells):
    """How often each (T_s, T, method) is tested."""
    return collections.Counter(
        (test.num_distilled_frames, test.num_frames, cell.config.method) for cell in cells for test in cell.tests
    )


def test_every_row_of_table_2_in_every_seed(study, cells):
    rows = places(of_group(cells, "table2"))
    assert set(rows.values()) == {len(study.seeds)} == {3}
    expected = set()
    for distilled in (5, 10):
        expected |= {(distilled, distilled, "i3d"), (distilled, distilled, "i3d_a")}
        for factor in (2, 4):
            expected |= {(distilled, factor * distilled, method) for method in ("i3d_a", "i3d_r", "i3d_e", "tsd")}
    assert set(rows) == expected


def test_attention_is_trained_once_for_every_t(cells):
    trained = [cell for cell in of_group(cells, "table2", 0) if cell.config.method == "i3d_a"]
    tested = {cell.config.num_frames: [test.num_distilled_frames for test in cell.tests] for cell in trained}
    assert tested == {5: [5], 10: [5, 10], 20: [5, 10], 40: [10]}


def test_clips_are_counted_up_to_ten_where_they_differ(cells):
    for cell in of_group(cells, "table2"):
        for test in cell.tests:
            assert test.clips == ((1, 3) if test.num_frames == 40 else (1, 3, 10))


def test_the_same_start_data_and_updates_for_every_method(study, cells):
    for group in ("table2", "map", "ablation", "resnet3d_18", "direction"):
        for seed in study.seeds:
            rows = of_group(cells, group, seed)
            recipe = study.direction if group == "direction" else study.actions
            assert {cell.updates for cell in rows} <= {recipe.updates}
            assert len({cell.main_network_from.name for cell in rows}) <= 1
            assert len({cell.config.data_dir for cell in rows}) <= 1
            assert {cell.config.seed for cell in rows} <= {seed}
            assert {stage.batch_size for cell in rows for stage in cell.config.stages} <= {recipe.batch_size}
    for seed in study.seeds:
        coarse = {cell.coarse_from.name for cell in of_group(cells, "table2", seed) if cell.coarse_from}
        assert coarse == {f"seed{seed}/coarse"}


def test_the_first_stage_of_distillation_is_counted(study, cells):
    tsd = next(cell for cell in cells if cell.name == "seed0/tsd_T20_Ts5")
    client, network = tsd.config.stages
    assert (client.trains, network.trains) == ("client", "network")
    assert client.num_steps == study.actions.client_updates
    assert client.num_steps + network.num_steps == study.actions.updates


def test_further_seeds_have_the_target_alone(study):
    found = grid.cells(dataclasses.replace(study, seeds=(0,), target_seeds=(3, 4)))
    for seed in (3, 4):
        rows = places([cell for cell in found if cell.seed == seed])
        expected = {(5, 5, "i3d"), (10, 10, "i3d")} | {(5, 20, method) for method in ("i3d_a", "i3d_r", "i3d_e", "tsd")}
        assert rows == dict.fromkeys(expected, 1)


def test_seeds_are_chosen_from_the_study_s(study):
    study = dataclasses.replace(study, target_seeds=(3,))
    assert study.chosen_seeds(None) == (0, 1, 2, 3)
    assert study.chosen_seeds(["3", "1"]) == (1, 3)
    for wrong in ([], ["0", "4"], ["x"]):
        with pytest.raises(UserError, match="`seeds` expects some of this study's seeds, 0, 1, 2, 3. Received: seeds="):
            study.chosen_seeds(wrong)


def test_the_map_has_every_place_of_four_methods(study, cells):
    rows = collections.Counter(
        (test.split, test.num_distilled_frames, cell.config.method)
        for cell in of_group(cells, "map")
        for test in cell.tests
        if (test.num_frames, test.clips) == (20, (1, 3, 10))
    )
    assert set(rows) == {
        (exact_split(event), distilled, method)
        for event in (3, 6, 12, 24)
        for distilled in (2, 5, 10)
        for method in ("i3d_a", "i3d_r", "i3d_e", "tsd")
    }
    assert set(rows.values()) == {len(study.map_seeds)}
    assert len([cell for cell in of_group(cells, "map") if cell.config.method == "i3d_a"]) == len(study.map_seeds)
    (videos,) = {tuple(cell.data_from.data.num_videos) for cell in of_group(cells, "map")}
    assert videos == ("train", "test_3", "test_6", "test_12", "test_24")


def test_every_cell_has_a_name_of_its_own(cells):
    recipes = collections.defaultdict(set)
    for cell in cells:
        for one in [cell, *with_starts([cell])]:
            recipes[one.name].add(one.fingerprint)
    assert {len(found) for found in recipes.values()} == {1}


def test_sources_come_before_what_needs_them(cells):
    names = [cell.name for cell in with_starts(cells)]
    assert len(set(names)) == len(names)
    for cell in with_starts(cells):
        assert all(names.index(source.name) < names.index(cell.name) for source in cell.needs.values())


def test_a_recipe_is_another_one_where_anything_before_it_is(study, cells):
    other = dataclasses.replace(study, num_train=study.num_train + 1)
    for one, changed in zip(cells, grid.cells(other), strict=True):
        assert (one.name, one.recipe) == (changed.name, changed.recipe)
        is_of_target_alone = one.group == "data_target"
        assert (one.fingerprint != changed.fingerprint) is not is_of_target_alone


def test_a_new_option_of_a_configuration_changes_no_recipe(cells):
    """What is at its default is not in it."""
    recipe = next(cell for cell in cells if cell.name == "seed0/tsd_T20_Ts5").recipe
    assert "codec_quality" not in recipe["config"]
    assert recipe["config"]["num_frames"] == 20
    assert recipe["tests"][0] == {
        "split": "test",
        "num_frames": 20,
        "num_distilled_frames": 5,
        "clips": [1, 3, 10],
        "matrix": True,
    }


def test_nothing_is_tested_on_what_choices_were_made_on(study, cells):
    assert {test.split for cell in of_group(cells, "table2") for test in cell.tests} == {"test"}
    assert not set(tune.SEEDS).intersection(study.all_seeds)
    tuning = tune.cells(dataclasses.replace(study, num_validate=100))
    assert {test.split for cell in tuning for test in cell.tests} == {"validate"}
    assert {cell.seed for cell in with_starts(tuning)} == set(tune.SEEDS)
    assert {cell.data_from.data.num_videos["validate"] for cell in tuning} == {100}


def test_every_method_is_tuned_with_as_many_candidates_and_updates(study):
    assert len({len(tune.CANDIDATES[method]) for method in settings.METHODS}) == 1
    assert {cell.updates for cell in tune.cells(study)} == {study.actions.updates}


def test_groups_are_chosen_from_the_study_s(study):
    cells = grid.cells(study)
    assert grid.of_groups(cells, None) == cells
    chosen = grid.of_groups(cells, ["map", "bytes"])
    assert [cell for cell in cells if cell.group in ("map", "bytes")] == chosen
    for wrong in ([], ["map", "coarse"]):
        with pytest.raises(
            UserError, match="`groups` expects some of table2, bytes, map, table4, .* Received: groups="
        ):
            grid.of_groups(cells, wrong)


def test_the_main_network_sees_the_actions_as_sparsely_as_the_methods_do(study):
    cells = {cell.name: cell for cell in with_starts(grid.cells(study))}
    config = cells["seed0/i3d_pretrained"].config
    assert (config.method, config.num_frames, config.num_distilled_frames) == ("i3d_r", 10, 5)
    assert [(stage.split, stage.num_frames) for stage in config.stages] == [("trimmed", None), ("train", 8)]
    config = cells["seed0/axis_i3d_pretrained"].config
    assert (config.method, config.num_frames, config.num_distilled_frames) == ("i3d", 20, 20)


def test_a_candidate_scores_its_mean_over_the_seeds(study, monkeypatch):
    monkeypatch.setattr(tune, "SEEDS", (1000, 1001))
    top1 = {("i3d_r", 1, 1000): 0.9, ("i3d_r", 2, 1000): 0.6, ("i3d_r", 2, 1001): 0.6, ("i3d", 2, 1000): 0.3}
    # Both have 1,615 of 1,920 videos; their means differ in the last digit.
    top1 |= {("tsd", 0, 1000): 803 / 960, ("tsd", 0, 1001): 812 / 960}
    top1 |= {("tsd", 2, 1000): 785 / 960, ("tsd", 2, 1001): 830 / 960}
    results = [
        {
            "method": cell.config.method,
            "seed": cell.seed,
            "candidate": cell.labels["candidate"],
            "updates": cell.updates,
            "cpu_seconds": 1.0,
            "tests": [
                {"clips": {"3": {"top1": top1.get((cell.config.method, cell.labels["candidate"], cell.seed), 0.1)}}}
            ],
        }
        for cell in tune.cells(study)
    ]
    scores = tune.score(results, 3)
    assert [row["validation_top1"] for row in scores["i3d_r"]][:3] == pytest.approx([0.1, 0.5, 0.6])
    assert scores["i3d"][2]["by_seed"] == {1000: 0.3, 1001: 0.1}
    chosen = tune.choose(scores)
    assert chosen["i3d_r"] == dataclasses.asdict(tune.CANDIDATES["i3d_r"][2])
    assert chosen["i3d"] == dataclasses.asdict(tune.CANDIDATES["i3d"][2])
    assert chosen["tsd"] == dataclasses.asdict(tune.CANDIDATES["tsd"][0])


@pytest.mark.parametrize("chosen", ["auto", 1 / 64])
def test_the_scale_of_the_logits_that_was_not_chosen_is_an_ablation(study, chosen):
    choices = {**study.actions.choices, "tsd": settings.Choice(logit_scale=chosen)}
    recipe = dataclasses.replace(study.actions, choices=choices)
    found = grid.cells(dataclasses.replace(study, seeds=(0,), actions=recipe))
    scales = {cell.name.partition("_")[2]: cell.config.logit_scale for cell in of_group(found, "ablation")}
    other = {"auto": ("scale_fixed", 1 / 64), 1 / 64: ("scale_auto", "auto")}[chosen]
    assert other in scales.items()
    assert (scales["unscaled"], scales["paper"], scales["paper_auto"], scales["wide"]) == (1.0, 1.0, "auto", chosen)
    # C' is 64: a quarter of it doubles a fixed scale.
    assert scales["channels_16"] == (chosen if chosen == "auto" else 1 / 32)


def test_only_one_group_departs_from_the_paper_s_block(cells):
    assert {cell.group for cell in cells if cell.config and cell.config.in_time_order} == {"direction"}


def test_the_quick_study_is_the_target_with_fewer_updates(study, cells):
    full = {cell.name: cell for cell in cells}
    found = grid.cells(settings.quick())
    assert {cell.group for cell in found} == {"table2"}
    for cell in found:
        same, rows = full[cell.name].config, cell.config
        assert cell.updates == settings.quick().actions.updates < study.actions.updates
        assert [stage.learning_rate for stage in rows.stages] == [stage.learning_rate for stage in same.stages]
        assert (rows.num_frames, rows.coarse_size) == (same.num_frames, same.coarse_size)
