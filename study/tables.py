"""The study's tables, from its results alone: each a header and rows of text."""

from typing import Any

from study import statistics, testing
from tsd_tf.reporting import names
from tsd_tf.reporting.table import Table


def all_tables(results: dict[str, Any]) -> list[Table]:
    """The Tables of a study, those that it has cells for.

    Args:
        results: what study.results.read returns.
    """
    cells = [cell for cell in results["cells"] if "tests" in cell]
    made = [table2, target, table3, table4, figure3_bytes, ablations, second_network, arrow_of_time, matrices]
    return [table for table in (make(cells, results["settings"]) for make in made) if table.rows]


def table2(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """Accuracy by T_s, T and method."""
    found = group(cells, "table2")
    rows = []
    for distilled, length in sorted({(cell["Ts"], cell["T"]) for cell in found}):
        by_method = [_select(found, method=method, T=length, Ts=distilled) for method in names.METHODS]
        rows.append([str(distilled), str(length), *(_accuracy(these, settings["clips"]) for these in by_method)])
    return Table(
        ("T_s", "T", *names.METHODS.values()),
        rows,
        "Table 2: accuracy by method",
        f"Top-1 in % on the test videos, Q = {settings['clips']} clips a video: mean and standard deviation over "
        f"{len(settings['seeds'])} seed(s), {settings['num_test']} videos each. Chance is 8.3. Every method starts "
        f"from the same I3D and gets {settings['updates']} further updates of it; I3D+TSD's client has "
        f"{settings['client_updates']} updates before, I3D frozen.",
        "table2",
    )


def target(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """TSD against the best of the other methods at its T_s, whatever their T; and against I3D at 2 T_s."""
    found, clips = group(cells, "table2"), settings["clips"]
    rows = []
    for distilled, length in sorted({(cell["Ts"], cell["T"]) for cell in found if cell["method"] == "tsd"}):
        ours = _select(found, method="tsd", T=length, Ts=distilled)
        others = [
            _select(found, method=method, T=t, Ts=distilled)
            for method, t in sorted({(cell["method"], cell["T"]) for cell in found if cell["Ts"] == distilled})
            if method != "tsd"
        ]
        best = max(others, key=lambda cells_of_other: _mean(cells_of_other, clips), default=[])
        rivals = [("the best of the others", best), ("I3D at 2 T_s", _select(found, method="i3d", Ts=2 * distilled))]
        for title, rival in rivals:
            if rival:
                named = f"{title}: {names.METHODS[rival[0]['method']]} {rival[0]['T']} to {rival[0]['Ts']}"
                rows.append([f"{length} to {distilled}", named, *_comparison(ours, rival, clips)])
    return Table(
        ("I3D+TSD", "against", "difference", "p over seeds", "p over videos"),
        rows,
        "I3D+TSD against the others",
        "Points of top-1, mean and standard deviation over seeds. p over seeds: paired t-test, in which data, "
        "initialisation and pretraining vary. p over videos: exact McNemar test on the videos of all seeds, the "
        "trained networks given. Both two-sided. The rival is chosen by its mean on the test videos themselves, which "
        "favours it.",
        "comparisons",
    )


def table3(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """Effect of Q."""
    found = [cell for cell in group(cells, "table2") if "10" in cell["tests"][0]["clips"]]
    rows = []
    for clips in (1, 3, 10):
        for distilled, length, method in sorted({(cell["Ts"], cell["T"], cell["method"]) for cell in found}):
            these = _select(found, method=method, T=length, Ts=distilled)
            rows.append([str(clips), names.METHODS[method], str(length), str(distilled), _accuracy(these, clips)])
    return Table(
        ("Q", "method", "T", "T_s", "top-1, %"),
        rows,
        "Table 3: effect of the number of clips Q",
        "The trainings of Table 2, tested with the first Q of 10 clips.",
        "table3",
    )


def table4(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """Fine-tuning on other classes."""
    found = group(cells, "table4")
    rows = []
    for distilled, length, method in sorted({(cell["Ts"], cell["T"], cell["method"]) for cell in found}):
        these = _select(found, method=method, T=length, Ts=distilled)
        by_split = [_accuracy(_select(these, ucf_split=split), 1) for split in (1, 2, 3)]
        rows.append([str(distilled), names.METHODS[method], str(length), *by_split, _accuracy(these, 1)])
    return Table(
        ("T_s", "method", "T", "split 1", "split 2", "split 3", "mean"),
        rows,
        "Table 4: fine-tuned on a second data set",
        "Pretrained on events in red, green and blue (the trainings of Table 2, first seed), fine-tuned on events in "
        f"orange, lime and violet: {settings['num_target']} videos in UCF101's layout, of which each split tests "
        f"another third. {settings['fine_tune_updates']} updates, one clip a video; the last column is the mean over "
        "the splits.",
        "table4",
    )


def figure3_bytes(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """Accuracy over bytes."""
    found = [cell for cell in group(cells, "table2") if "compression" in cell]
    rows = []
    for method, length in sorted({(cell["method"], cell["T"]) for cell in found}):
        these = [cell["compression"] for cell in found if (cell["method"], cell["T"]) == (method, length)]
        for entries in zip(*these, strict=True):
            accuracy = _percent([entry["top1"] for entry in entries])
            size = sum(entry["bytes"] for entry in entries) / len(entries)
            rows.append(
                [names.METHODS[method], f"{length} to {found[0]['Ts']}", entries[0]["coding"], f"{size:.0f}", accuracy]
            )
    return Table(
        ("method", "T to T_s", "coding", "bytes", "top-1, %"),
        rows,
        "Figure 3: accuracy over bytes",
        "One clip a video. Bytes are those that travel for a clip; as H.264 all T frames do, which are distilled or "
        "sampled behind the decoder.",
        "figure3_bytes",
    )


def ablations(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """Variants of the block and of its training."""
    found = group(cells, "ablation")
    variants = list(dict.fromkeys(cell["variant"] for cell in found))
    seeds = {cell["seed"] for cell in found}
    plain = [cell for cell in _select(group(cells, "table2"), method="tsd", T=20, Ts=5) if cell["seed"] in seeds]
    rows = [_ablation_row("as in Table 2", plain, plain, settings)] if found else []
    rows += [_ablation_row(variant, _select(found, variant=variant), plain, settings) for variant in variants]
    return Table(
        ("variant", "top-1, %", "difference", "mass on the event, %", "effective frames"),
        rows,
        "What the paper leaves open: I3D+TSD, 20 frames to 5",
        "Each row changes one thing. Mass on the event: the share of P's mass on the frames of the event, in clips "
        "that show it. Effective frames: exp of the entropy of a column of P. Stage 1 alone never updates the main "
        "network.",
        "ablations",
    )


def second_network(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """TSD in front of ResNet3D-18."""
    found = group(cells, "resnet3d_18")
    rows = [
        [
            names.method(method, "resnet3d_18"),
            str(length),
            "5",
            _accuracy(_select(found, method=method), settings["clips"]),
        ]
        for method, length in (("i3d", 5), ("i3d_e", 20), ("tsd", 20))
        if found
    ]
    return Table(
        ("method", "T", "T_s", "top-1, %"),
        rows,
        "Another main network: ResNet3D-18",
        "Pretrained, trained and tested as I3D, with the settings tuned for I3D.",
        "second_network",
    )


def arrow_of_time(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """The signed direction alone tells the classes apart."""
    found = group(cells, "direction")
    rows = []
    for method, length, variant in dict.fromkeys((cell["method"], cell["T"], cell["variant"]) for cell in found):
        these = _select(found, method=method, T=length, variant=variant)
        axis, way = zip(*(_axis_and_way(cell, settings["clips"]) for cell in these), strict=True)
        increasing = [cell["matrix"]["increasing"] for cell in these if "matrix" in cell]
        rows.append(
            [
                f"{names.METHODS[method]} {variant}".strip(),
                str(length),
                "5",
                _accuracy(these, settings["clips"]),
                _percent(axis),
                _percent(way),
                _percent(increasing) if increasing else "",
            ]
        )
    return Table(
        ("method", "T", "T_s", "top-1, %", "axis, %", "way, %", "ascending, %"),
        rows,
        "The arrow of time: eight signed directions",
        "Chance is 12.5. Axis: the axis is right, whichever way (chance 25). Way: of these, the way along it is right "
        "(chance 50). Ascending: the share of neighbouring columns of P whose expected times ascend. In time order: "
        "the columns of P are sorted by expected time, which the paper's are not.",
        "arrow_of_time",
    )


def matrices(cells: list[dict[str, Any]], settings: dict[str, Any]) -> Table:
    """P against the true event."""
    found = [cell for cell in group(cells, "table2") if "matrix" in cell and cell["T"] > cell["Ts"]]
    rows = []
    for distilled, length, method in sorted({(cell["Ts"], cell["T"], cell["method"]) for cell in found}):
        these = [cell["matrix"] for cell in _select(found, method=method, T=length, Ts=distilled)]
        rows.append(
            [
                f"{names.METHODS[method]} {length} to {distilled}",
                _percent([entry["whole_event"]["clips"] / settings["num_test"] for entry in these]),
                *(_percent([entry[key] for entry in these]) for key in ("mass_in_event", "uniform_share")),
                *(_number([entry[key] for entry in these]) for key in ("effective_frames", "maximum", "redundancy")),
                _percent([entry["increasing"] for entry in these]),
                *(_of_whole_events(these, key) for key in ("top1", "top1_of_event")),
            ]
        )
    return Table(
        (
            "method",
            "whole, %",
            "mass on the event, %",
            "if uniform, %",
            "effective frames",
            "maximum",
            "redundancy",
            "ascending, %",
            "top-1 of whole events, %",
            "of its own frames, %",
        ),
        rows,
        "Figure 2: does P find the event?",
        "One clip of every test video; all but the first and the last two columns are of those that show some of their "
        "event. Whole: the share of clips that show all of it. Effective frames: exp of the entropy of a column "
        "of P. Redundancy: mean cosine between two columns. Ascending: share of neighbouring columns whose expected "
        "times ascend. Top-1 of whole events: of the clips that show all of their event. Its own frames: the same "
        "main network on the five frames of the event in order, as a perfect P would pick them.",
        "matrices",
    )


def _of_whole_events(matrices, key):
    values = [entry["whole_event"][key] for entry in matrices]
    return "" if None in values else _percent(values)


def group(cells: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The cells of a group, in order."""
    return [cell for cell in cells if cell["group"] == name]


def accuracies(cells: list[dict[str, Any]], clips: int) -> list[float]:
    """Top-1 of each cell's test."""
    return [cell["tests"][0]["clips"][str(clips)]["top1"] for cell in cells]


def _select(cells, **wanted):
    return [cell for cell in cells if all(cell.get(key) == value for key, value in wanted.items())]


def _mean(cells, clips):
    return statistics.mean_and_deviation(accuracies(cells, clips))[0]


def _accuracy(cells, clips):
    return _percent(accuracies(cells, clips)) if cells else ""


def _percent(values):
    return _number([100 * value for value in values], 1)


def _number(values, digits=2):
    mean, deviation = statistics.mean_and_deviation(values)
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def _comparison(ours, rival, clips):
    compared = statistics.compare(_correct(ours, clips), _correct(rival, clips))
    deviation = "" if compared.deviation is None else f" ± {100 * compared.deviation:.1f}"
    seeds = "one seed" if compared.p_seeds is None else f"{compared.p_seeds:.2g}"
    return [f"{100 * compared.difference:+.1f}{deviation}", seeds, f"{compared.p_videos:.2g}"]


def _correct(cells, clips):
    return {cell["seed"]: testing.correct(cell["tests"][0], clips) for cell in cells}


def _ablation_row(variant, cells, plain, settings):
    clips = settings["clips"]
    difference = 100 * (_mean(cells, clips) - _mean(plain, clips))
    matrix = [cell["matrix"] for cell in cells]
    return [
        variant,
        _accuracy(cells, clips),
        f"{difference:+.1f}" if cells is not plain else "",
        _percent([entry["mass_in_event"] for entry in matrix]),
        _number([entry["effective_frames"] for entry in matrix]),
    ]


def _axis_and_way(cell, clips):
    """(share of videos whose axis is right, share of these whose way is)."""
    test = cell["tests"][0]
    labels, predicted = testing.classes(test["labels"]), testing.classes(test["clips"][str(clips)]["predicted"])
    axis = labels // 2 == predicted // 2
    return float(axis.mean()), float((labels == predicted)[axis].mean()) if axis.any() else 0.0
