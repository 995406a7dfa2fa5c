"""Tables and pictures of small made-up results."""

import dataclasses

import pytest

from study import figures, settings, tables, winners

LABELS = "0101"
SETTINGS = dataclasses.asdict(dataclasses.replace(settings.full(), seeds=(0, 1)))


def row(group, method, seed, length, distilled, answers, **more):
    """A row of results; `answers` has a string for each Q, or one for Q = 3."""
    answers = answers if isinstance(answers, dict) else {3: answers}
    clips = {
        str(count): {
            "predicted": predicted,
            "top1": sum(one == other for one, other in zip(predicted, LABELS, strict=True)) / len(LABELS),
        }
        for count, predicted in answers.items()
    }
    place = {"group": group, "method": method, "seed": seed, "T": length, "Ts": distilled}
    return {**place, "split": "test", "labels": LABELS, "clips": clips, **more}


def of_seeds(group, method, length, distilled, by_seed, **more):
    return [row(group, method, seed, length, distilled, one, **more) for seed, one in enumerate(by_seed)]


@pytest.fixture
def rows():
    return (
        of_seeds("table2", "tsd", 20, 5, ("0101", "0100", "0101"))
        + of_seeds("table2", "i3d_e", 20, 5, ("0000", "0001"))
        + of_seeds("table2", "i3d", 10, 10, ("0100", "0101"))
    )


def test_table_2_says_how_many_seeds_each_row_has(rows):
    assert tables.table2(rows, SETTINGS).rows == [
        ["5", "20", "", "", "", "62.5 ± 17.7", "91.7 ± 14.4", "2 to 3"],
        ["10", "10", "87.5 ± 17.7", "", "", "", "", "2"],
    ]


def test_comparisons_are_of_the_seeds_that_both_have(rows):
    best, twice = tables.comparisons(rows, SETTINGS).rows
    assert best == ["20 to 5", "the best of the others: I3D_E 20 to 5", "+25.0 ± 35.4", "0.5", "0.62", "2"]
    assert twice[:3] == ["20 to 5", "I3D at 2 T_s: I3D 10 to 10", "+0.0 ± 35.4"]
    (alone,) = tables.comparisons([row for row in rows if row["seed"] == 0], SETTINGS).rows[:1]
    assert alone[2:4] == ["+50.0", ""]


def test_the_rival_is_the_best_over_the_seeds_of_ours(rows):
    """A method that is better on a seed that ours does not have is not the best."""
    more = [row("table2", "i3d_r", 0, 20, 5, "1010"), row("table2", "i3d_r", 3, 20, 5, "0101")]
    assert tables.comparisons(rows + more, SETTINGS).rows[0][1] == "the best of the others: I3D_E 20 to 5"


def test_table_3_has_a_line_for_each_q():
    found = of_seeds("table2", "tsd", 20, 5, [{1: "0000", 3: "0100", 10: "0101"}])
    found += of_seeds("table2", "i3d", 40, 40, [{1: "0000", 3: "0100"}])
    assert tables.table3(found, SETTINGS).rows == [
        ["1", "5", "20", "", "", "", "", "50.0", "1"],
        ["3", "5", "20", "", "", "", "", "75.0", "1"],
        ["10", "5", "20", "", "", "", "", "100.0", "1"],
    ]


@pytest.fixture
def of_map():
    """Two methods at two places: one wins clearly, then by a single video of four."""
    more = {"split": "test_3"}
    return (
        of_seeds("map", "tsd", 20, 5, ("0101", "0101"), **more)
        + of_seeds("map", "i3d_a", 20, 5, ("1010", "1010", "0101"), **more)
        + of_seeds("map", "tsd", 20, 2, ("0100",), **more)
        + of_seeds("map", "i3d_a", 20, 2, ("0101",), **more)
    )


def test_where_each_method_wins(of_map):
    small, large = winners.find(of_map, SETTINGS)
    assert (small.event_frames, small.num_distilled_frames, small.clips, small.method) == (3, 2, 3, "i3d_a")
    # One of four videos: its variance is 1/4 - 1/16.
    assert (small.lead, small.standard_error) == (0.25, pytest.approx((3 / 16 / 4) ** 0.5))
    assert not small.is_clear
    assert (large.method, large.lead, large.standard_error, large.seeds) == ("tsd", 1.0, 0.0, (0, 1))
    assert large.is_clear
    assert large.top1 == {"i3d_a": 0.0, "tsd": 1.0}
    assert tables.win_map(of_map, SETTINGS).rows == [
        ["3", "3", "2", "100.0", "75.0", "I3D_A", "25.0 ± 21.7, open", "1"],
        ["3", "3", "5", "0.0", "100.0", "I3D+TSD", "100.0 ± 0.0", "2"],
    ]
    assert winners.find([row for row in of_map if row["method"] == "tsd"], SETTINGS) == []


def coding(what, codec, quality, size, top1):
    fields = {"what": what, "codec": codec, "quality": quality, "bytes_per_clip": size, "top1": top1}
    return {**fields, "top1_standard_error": 0.1}


@pytest.fixture
def codings():
    """Distilled frames reach the accuracy of raw ones, less a standard error, at 100 and 300 bytes."""
    common = [coding("distilled", "raw", None, 9000, 0.6), coding("whole_clip", "h264", 20, 400, 0.5)]
    common += [coding("whole_clip", "h264", 40, 200, 0.3), coding("distilled", "h264", 40, 50, 0.2)]
    return {seed: [*common, coding("distilled", "h264", 20, size, 0.5)] for seed, size in ((0, 100), (1, 300))}


def test_bytes_at_equal_accuracy_are_means_over_seeds(codings):
    found = tables.equal_accuracy(codings).rows
    assert found == [["h264", "50.0 ± 0.0", "200 ± 141", "400 ± 0", "0.50 ± 0.35", "2", ""]]
    codings[1][1] = coding("whole_clip", "h264", 20, 400, 0.4)
    (line,) = tables.equal_accuracy(codings).rows
    assert line[2:] == [
        "200 ± 141",
        "400",
        "0.25",
        "1 of 2",
        "whole clip: no quality tested reaches 50.0%",
    ]


def test_accuracy_over_bytes_is_a_mean_over_seeds(codings):
    found = tables.figure3_bytes(codings).rows
    assert found[0] == ["distilled frames", "raw", "", "9000", "60.0 ± 0.0", "2"]
    assert found[-1] == ["distilled frames", "h264", "20", "200", "50.0 ± 0.0", "2"]


def matrix(mass):
    return {
        "mass_in_event": mass,
        "uniform_share": 0.3,
        "effective_frames": 2.0,
        "maximum": 0.7,
        "redundancy": 0.1,
        "increasing": 0.5,
        "whole_event": {"clips": 1, "top1": 1.0, "top1_of_event": 1.0},
        "examples": [{"label": 0, "event": [1, 2], "P": [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]}],
    }


def test_an_ablation_is_compared_on_its_own_seeds():
    found = of_seeds("table2", "tsd", 20, 5, ("0101", "0000"), matrix=matrix(0.6))
    found += of_seeds("ablation", "tsd", 20, 5, ("0100",), variant="smaller", matrix=matrix(0.4))
    assert tables.ablations(found, SETTINGS).rows == [
        ["as in Table 2", "100.0", "", "60.0", "2.00", "1"],
        ["smaller", "75.0", "-25.0", "40.0", "2.00", "1"],
    ]
    assert tables.ablations(found[2:], SETTINGS).rows == [["smaller", "75.0", "", "40.0", "2.00", "1"]]


def test_p_beside_the_event():
    found = of_seeds("table2", "tsd", 20, 5, ("0101", "0000"), matrix=matrix(0.6))
    (line,) = tables.matrices(found, SETTINGS).rows
    assert line[:4] == ["I3D+TSD 20 to 5", "25.0 ± 0.0", "60.0 ± 0.0", "30.0 ± 0.0"]


def test_fine_tuning_by_split():
    found = [row("table4", "tsd", 0, 20, 5, {1: one}, ucf_split=i) for i, one in ((1, "0101"), (3, "0000"))]
    assert tables.table4(found, SETTINGS).rows == [
        ["5", "I3D+TSD", "20", "100.0", "", "50.0", "75.0 ± 35.4", "1"],
    ]


def test_the_way_along_the_axis():
    """Classes 0 and 1 are the two ways along one axis."""
    found = of_seeds("direction", "i3d", 5, 5, ("0002",), variant="", Ts=5)
    (line,) = tables.arrow_of_time(found, SETTINGS).rows
    assert line == ["I3D", "5", "5", "50.0", "75.0", "66.7", "", "1"]


def test_pictures_of_whatever_is_there(tmp_path, of_map, codings):
    def drawn(cells):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        figures.write({"settings": SETTINGS, "cells": cells}, folder)
        return {path.name for path in folder.iterdir()}

    def as_cells(rows):
        names = ("split", "T", "Ts", "labels", "clips", "matrix")
        return [
            {
                **{name: value for name, value in row.items() if name not in names},
                "tests": [{name: row[name] for name in names if name in row}],
            }
            for row in rows
        ]

    table2 = as_cells(of_seeds("table2", "tsd", 20, 5, ("0101", "0000"), matrix=matrix(0.6)))
    assert drawn(table2) == {"figure3_frames.png", "figure2_matrices.png"}
    assert drawn(as_cells(of_map)) == {"map.png"}
    of_bytes = [{"group": "bytes", "seed": seed, "T": 20, "Ts": 5, "codings": one} for seed, one in codings.items()]
    assert drawn(of_bytes) == {"figure3_bytes.png"}
    assert drawn([]) == set()
