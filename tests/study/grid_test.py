"""The grid is the issue's: every row of the paper's tables at small scale, nobody favoured."""

import collections
import dataclasses

import pytest

from study import grid, settings, tune


@pytest.fixture(scope="module")
def cells():
    return grid.cells(settings.full(), settings.tuned(), "runs", "data")


def test_every_row_of_table_2_in_every_seed(cells):
    rows = collections.Counter(
        (cell.config.num_distilled_frames, cell.config.num_frames, cell.config.method)
        for cell in cells
        if cell.group == "table2"
    )
    assert set(rows.values()) == {3}
    expected = set()
    for distilled in (5, 10):
        expected |= {(distilled, distilled, "i3d"), (distilled, distilled, "i3d_a")}
        expected |= {
            (distilled, factor * distilled, method)
            for factor in (2, 4)
            for method in ("i3d_a", "i3d_r", "i3d_e", "tsd")
        }
    assert set(rows) == expected


def test_the_same_main_network_data_and_updates_for_every_method(cells):
    for seed in (0, 1, 2):
        rows = [cell for cell in cells if cell.group == "table2" and cell.seed == seed]
        assert {cell.main_network_updates for cell in rows} == {settings.full().updates}
        assert {cell.main_network_from for cell in rows} == {f"seed{seed}/i3d_pretrained"}
        assert len({cell.config.data_dir for cell in rows}) == 1
        assert {cell.coarse_from for cell in rows if cell.config.method in ("i3d_a", "tsd")} == {f"seed{seed}/coarse"}
        assert {cell.config.seed for cell in rows} == {seed}
        assert {stage.batch_size for cell in rows for stage in cell.config.stages} == {settings.full().batch_size}


def test_every_cell_has_a_name_of_its_own_and_finds_what_it_needs(cells):
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names)
    assert {name for cell in cells for name in cell.needs} <= set(names)


def test_nothing_is_tested_on_what_choices_were_made_on(cells):
    assert {test.split for cell in cells for test in cell.tests} == {"test"}
    assert not set(tune.SEEDS).intersection(settings.full().seeds)
    tuning = tune.cells(settings.full(), "runs", "data")
    assert {test.split for cell in tuning for test in cell.tests} == {"validate"}


def test_a_candidate_scores_its_mean_over_the_seeds():
    top1 = {("i3d_r", 1, 1000): 0.9, ("i3d_r", 3, 1000): 0.6, ("i3d_r", 3, 1001): 0.6, ("i3d", 2, 1000): 0.3}
    # Both have 1,615 of 1,920 videos; their means differ in the last digit.
    top1 |= {("tsd", 0, 1000): 803 / 960, ("tsd", 0, 1001): 812 / 960}
    top1 |= {("tsd", 3, 1000): 785 / 960, ("tsd", 3, 1001): 830 / 960}
    results = [
        {
            "method": cell.config.method,
            "seed": cell.seed,
            "candidate": cell.labels["candidate"],
            "main_network_updates": cell.main_network_updates,
            "cpu_seconds": 1.0,
            "tests": [
                {"clips": {"3": {"top1": top1.get((cell.config.method, cell.labels["candidate"], cell.seed), 0.1)}}}
            ],
        }
        for cell in tune.cells(settings.full(), "runs", "data")
        if cell.group == "tuning"
    ]
    scores = tune.score(results, 3)
    assert [row["validation_top1"] for row in scores["i3d_r"]] == pytest.approx([0.1, 0.5, 0.1, 0.6, 0.1])
    assert scores["i3d"][2]["by_seed"] == {1000: 0.3, 1001: 0.1}
    assert {row["main_network_updates"] for rows in scores.values() for row in rows} == {settings.full().updates}
    chosen = tune.choose(scores)
    assert chosen["i3d_r"] == dataclasses.asdict(tune.CANDIDATES["i3d_r"][3])
    assert chosen["i3d"] == dataclasses.asdict(tune.CANDIDATES["i3d"][2])
    assert chosen["tsd"] == dataclasses.asdict(tune.CANDIDATES["tsd"][0])


def test_every_method_is_tuned_with_as_many_candidates():
    assert {len(tune.CANDIDATES[method]) for method in settings.METHODS} == {5}
    scores = {
        "tsd": [
            {**dataclasses.asdict(settings.Choice(learning_rate=rate)), "validation_top1": score}
            for rate, score in ((0.1, 0.2), (0.2, 0.4), (0.3, 0.4))
        ]
    }
    assert settings.Choice(**tune.choose(scores)["tsd"]).learning_rate == 0.2


def test_only_one_group_departs_from_the_paper_s_block(cells):
    assert {cell.group for cell in cells if cell.config and cell.config.in_time_order} == {"direction"}


def test_the_quick_study_is_a_part_of_the_full_one(cells):
    """Its numbers may stand beside the full one's: the same recipe, fewer rows."""
    full = {cell.name: cell for cell in cells}
    for cell in grid.cells(settings.quick(), settings.tuned(), "runs", "data"):
        same = full[cell.name]
        assert cell.main_network_updates == same.main_network_updates
        if cell.config:
            assert cell.config.stages == same.config.stages
