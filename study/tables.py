"""The study's tables, from its results alone: each a header and rows of text."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from study import answers, results, winners
from study.data import SCENES
from tsd_tf.reporting import accuracy_over_bytes, names, paired_comparison
from tsd_tf.reporting.table import Table

Rows = list[dict[str, Any]]
_RIVALS = tuple(method for method in names.METHODS if method != "tsd")


def all_tables(found: Mapping[str, Any]) -> list[Table]:
    """The Tables of a study, those that it has cells for.

    Args:
        found: what study.results.read returns.
    """
    rows, settings = results.rows(found), found["settings"]
    of_tests = [table2, comparisons, table3, win_map, table4, ablations, second_network, arrow_of_time, matrices]
    tables = [make(rows, settings) for make in of_tests]
    codings = {cell["seed"]: cell["codings"] for cell in found["cells"] if "codings" in cell}
    tables[4:4] = [equal_accuracy(codings), figure3_bytes(codings)]
    tables.append(diverged(found["cells"]))
    return [table for table in tables if table.rows]


def table2(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """Accuracy by T_s, T and method."""
    lines = _by_method(group(rows, "table2"), settings["clips"])
    recipe = settings["actions"]
    return Table(
        ("T_s", "T", *names.METHODS.values(), "seeds"),
        lines,
        "Table 2: accuracy by method",
        f"Top-1 in % on {settings['num_test']} test videos a seed, Q = {settings['clips']} clips a video: mean and "
        f"standard deviation over the seeds. Chance is {_chance('main')}. Every method starts from the same I3D and "
        f"gets {recipe['updates']} updates more; the first {recipe['client_updates']} of I3D+TSD are stage 1, in which "
        "I3D is frozen.",
        "table2",
    )


def comparisons(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """TSD against the best of the other methods at its T_s, whatever their T; and against I3D at 2 T_s."""
    found, clips = group(rows, "table2"), settings["clips"]
    lines = []
    for distilled, length in _places(select(found, method="tsd")):
        ours = select(found, method="tsd", T=length, Ts=distilled)
        others = [
            select(found, method=method, T=t, Ts=distilled)
            for method in _RIVALS
            for _, t in _places(select(found, method=method, Ts=distilled))
        ]
        others = [_of_seeds(other, ours) for other in others]
        best = max((other for other in others if other), key=lambda other: _mean(other, clips), default=[])
        twice = _of_seeds(select(found, method="i3d", Ts=2 * distilled), ours)
        for title, rival in (("the best of the others", best), ("I3D at 2 T_s", twice)):
            if rival:
                named = f"{title}: {names.METHODS[rival[0]['method']]} {rival[0]['T']} to {rival[0]['Ts']}"
                lines.append([f"{length} to {distilled}", named, *_comparison(ours, rival, clips), str(len(rival))])
    return Table(
        ("I3D+TSD", "against", "difference", "p over seeds", "p over videos", "seeds"),
        lines,
        "I3D+TSD against the others",
        f"Points of top-1 at Q = {clips}, mean and standard deviation over the seeds that both have. p over seeds: "
        "paired t-test, in which data, initialisation and pretraining vary; none for one seed. p over videos: exact "
        "McNemar test on the videos of all seeds, the trained networks given. Both two-sided. The rival is chosen by "
        "its mean on the test videos themselves, which favours it.",
        "comparisons",
    )


def table3(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """Effect of Q."""
    found = [row for row in group(rows, "table2") if "10" in row["clips"]]
    lines = [[str(clips), *line] for clips in (1, 3, 10) for line in _by_method(found, clips)]
    return Table(
        ("Q", "T_s", "T", *names.METHODS.values(), "seeds"),
        lines,
        "Table 3: effect of the number of clips Q",
        "The trainings of Table 2, tested with the first Q of 10 clips.",
        "table3",
    )


def win_map(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """Which method is best where."""
    found = winners.find(rows, settings)
    methods = [method for method in names.METHODS if any(method in one.top1 for one in found)]
    lines = [
        [
            *(str(number) for number in (one.clips, one.event_frames, one.num_distilled_frames)),
            *(f"{100 * one.top1[method]:.1f}" if method in one.top1 else "" for method in methods),
            names.METHODS[one.method],
            f"{100 * one.lead:.1f} ± {100 * one.standard_error:.1f}" + ("" if one.is_clear else ", open"),
            str(len(one.seeds)),
        ]
        for one in found
    ]
    return Table(
        ("Q", "event", "T_s", *(names.METHODS[method] for method in methods), "best", "lead", "seeds"),
        lines,
        "Where does each method win?",
        f"Top-1 in % from T = {settings['map_frames']} frames, by the number of frames that the event lasts: one "
        f"training a method and T_s on events of all lengths, {settings['num_map_test']} test videos a seed and "
        "length. Lead: points ahead of the second, with its standard error over videos; open where it is less than two "
        "of them.",
        "map",
    )


def equal_accuracy(codings: Mapping[int, Sequence[Mapping[str, Any]]]) -> Table:
    """Bytes of distilled frames and of the whole clip at equal accuracy.

    Args:
        codings: {seed: those of its test}, see accuracy_over_bytes.
    """
    by_codec: dict[str, list[dict[str, Any]]] = {}
    for found in codings.values():
        for one in accuracy_over_bytes.at_equal_accuracy(found):
            by_codec.setdefault(one["codec"], []).append(one)
    lines = []
    for codec, entries in by_codec.items():
        sizes = [
            [one[name] for one in entries if one[name] is not None] for name in ("distilled", "whole_clip", "ratio")
        ]
        notes = dict.fromkeys(one["note"] for one in entries if one["note"])
        lines.append(
            [codec, _percent([one["top1"] for one in entries])]
            + [_number(values, digits) if values else "" for values, digits in zip(sizes, (0, 0, 2), strict=True)]
            + [f"{len(sizes[2])} of {len(entries)}" if notes else str(len(entries)), "; ".join(notes)]
        )
    return Table(
        ("codec", "top-1, %", "distilled frames", "whole clip", "ratio", "seeds", "note"),
        lines,
        "Bytes at equal accuracy",
        "Bytes of a clip as it travels, at the lowest accuracy within one standard error of that of raw distilled "
        "frames; between two qualities interpolated over the logarithm of the bytes, never extrapolated. The whole "
        "clip is distilled behind the decoder.",
        "equal_accuracy",
    )


def figure3_bytes(codings: Mapping[int, Sequence[Mapping[str, Any]]]) -> Table:
    """Accuracy over bytes; argument as for `equal_accuracy`."""
    lines = []
    for entries in zip(*codings.values(), strict=True):
        first = entries[0]
        size = sum(entry["bytes_per_clip"] for entry in entries) / len(entries)
        quality = "" if first["quality"] is None else str(first["quality"])
        accuracy = _percent([entry["top1"] for entry in entries])
        lines.append([names.SENT[first["what"]], first["codec"], quality, f"{size:.0f}", accuracy, str(len(entries))])
    return Table(
        ("sent", "codec", "quality", "bytes a clip", "top-1, %", "seeds"),
        lines,
        "Figure 3: accuracy over bytes",
        "One clip a video, by the exported halves. Bytes are those of the whole request. I3D_E answers to uniform "
        "frames.",
        "figure3_bytes",
    )


def table4(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """Fine-tuning on other people and another camera."""
    found = group(rows, "table4")
    lines = []
    for (distilled, length), method in itertools.product(_places(found), names.METHODS):
        these = select(found, method=method, T=length, Ts=distilled)
        if these:
            by_split = [_accuracy(select(these, ucf_split=split), 1) for split in (1, 2, 3)]
            seeds = str(len({row["seed"] for row in these}))
            lines.append([str(distilled), names.METHODS[method], str(length), *by_split, _accuracy(these, 1), seeds])
    return Table(
        ("T_s", "method", "T", "split 1", "split 2", "split 3", "mean", "seeds"),
        lines,
        "Table 4: fine-tuned on a second data set",
        "The trainings of Table 2, fine-tuned on people of other proportions before another camera: "
        f"{settings['num_target']} videos in UCF101's layout, of which each split tests another third. "
        f"{settings['fine_tune_updates']} updates, one clip a video; the last mean is over splits and seeds.",
        "table4",
    )


def ablations(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """Variants of the block and of its training."""
    found = group(rows, "ablation")
    plain = _of_seeds(select(group(rows, "table2"), method="tsd", T=20, Ts=5), found)
    lines = [_ablation("as in Table 2", plain, plain, settings)] if plain else []
    for variant in dict.fromkeys(row["variant"] for row in found):
        lines.append(_ablation(variant, select(found, variant=variant), plain, settings))
    return Table(
        ("variant", "top-1, %", "difference", "mass on the event, %", "effective frames", "seeds"),
        lines,
        "What the paper leaves open: I3D+TSD, 20 frames to 5",
        "Each row changes one thing, with the same number of updates in all. Mass on the event: the share of P's mass "
        "on the frames of the event, in clips that show it. Effective frames: exp of the entropy of a column of P. The "
        "paper's rates fall when the study's do.",
        "ablations",
    )


def second_network(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """TSD in front of ResNet3D-18."""
    network = "resnet3d_18"
    found = group(rows, network)
    lines = []
    for method in names.METHODS:
        for distilled, length in _places(select(found, method=method)):
            these = select(found, method=method, T=length, Ts=distilled)
            accuracy = _accuracy(these, settings["clips"])
            lines.append([names.method(method, network), str(length), str(distilled), accuracy, str(len(these))])
    return Table(
        ("method", "T", "T_s", "top-1, %", "seeds"),
        lines,
        "Another main network: ResNet3D-18",
        "Pretrained, trained and tested as I3D, with the settings tuned for I3D.",
        "second_network",
    )


def arrow_of_time(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """The signed direction alone tells the classes apart."""
    found = group(rows, "direction")
    lines = []
    for method, length, variant in dict.fromkeys((row["method"], row["T"], row["variant"]) for row in found):
        these = select(found, method=method, T=length, variant=variant)
        axis, way = zip(*(_axis_and_way(row, settings["clips"]) for row in these), strict=True)
        increasing = [row["matrix"]["increasing"] for row in these if "matrix" in row]
        lines.append(
            [f"{names.METHODS[method]} {variant}".strip(), str(length), str(these[0]["Ts"])]
            + [_accuracy(these, settings["clips"]), _percent(axis), _percent(way)]
            + [_percent(increasing) if increasing else "", str(len(these))]
        )
    return Table(
        ("method", "T", "T_s", "top-1, %", "axis, %", "way, %", "ascending, %", "seeds"),
        lines,
        "The arrow of time: eight signed directions of sprites",
        f"Chance is {_chance('direction')}. Axis: the axis is right, whichever way (chance 25). Way: of these, the way "
        "along it is right (chance 50). Ascending: the share of neighbouring columns of P whose expected times ascend. "
        "In time order: the columns of P are sorted by expected time, which the paper's are not.",
        "arrow_of_time",
    )


def matrices(rows: Rows, settings: Mapping[str, Any]) -> Table:
    """P against the true event."""
    found = [row for row in group(rows, "table2") if "matrix" in row and row["T"] > row["Ts"]]
    lines = []
    for (distilled, length), method in itertools.product(_places(found), names.METHODS):
        these = select(found, method=method, T=length, Ts=distilled)
        if not these:
            continue
        matrix = [row["matrix"] for row in these]
        whole = [row["matrix"]["whole_event"]["clips"] / len(row["labels"]) for row in these]
        lines.append(
            [f"{names.METHODS[method]} {length} to {distilled}", _percent(whole)]
            + [_percent([one[key] for one in matrix]) for key in ("mass_in_event", "uniform_share")]
            + [_number([one[key] for one in matrix]) for key in ("effective_frames", "maximum", "redundancy")]
            + [_percent([one["increasing"] for one in matrix])]
            + [_of_whole_events(matrix, key) for key in ("top1", "top1_of_event")]
            + [str(len(these))]
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
            "seeds",
        ),
        lines,
        "Figure 2: does P find the event?",
        "One clip of every test video; columns three to eight are of those that show some of their event. Whole: the "
        "share of clips that show all of it. Effective frames: exp of the entropy of a column of P. Redundancy: mean "
        "cosine between two columns. Ascending: share of neighbouring columns whose expected times ascend. Top-1 of "
        "whole events: of the clips that show all of their event. Its own frames: the same main network on T_s of the "
        "event's frames, at equal intervals.",
        "matrices",
    )


def diverged(cells: Sequence[Mapping[str, Any]]) -> Table:
    """The trainings that ended without a network.

    Args:
        cells: the results of all cells.
    """
    return Table(
        ("cell", "variant", "what happened"),
        [[cell["cell"], cell.get("variant", ""), cell["diverged"]] for cell in cells if "diverged" in cell],
        "Trainings that diverged",
        "They have no accuracy, and are in no other table. On another machine, which rounds otherwise, they may "
        "come to their end.",
        "diverged",
    )


def group(rows: Rows, name: str) -> Rows:
    """The rows of a group, in order."""
    return [row for row in rows if row["group"] == name]


def select(rows: Rows, **wanted: Any) -> Rows:
    """The rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def accuracies(rows: Rows, clips: int) -> list[float]:
    """Top-1 of each row."""
    return [row["clips"][str(clips)]["top1"] for row in rows]


def _chance(data_name):
    return f"{100 / len(SCENES[data_name].class_names):.1f}"


def _places(rows):
    """The (T_s, T) that have a row."""
    return sorted({(row["Ts"], row["T"]) for row in rows})


def _by_method(rows, clips):
    """A line for each (T_s, T), a column a method."""
    lines = []
    for distilled, length in _places(rows):
        here = [select(rows, method=method, T=length, Ts=distilled) for method in names.METHODS]
        counts = sorted({len(these) for these in here if these})
        seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        lines.append([str(distilled), str(length), *(_accuracy(these, clips) for these in here), seeds])
    return lines


def _of_seeds(rows, others):
    """The rows of the seeds that `others` have."""
    seeds = {row["seed"] for row in others}
    return [row for row in rows if row["seed"] in seeds]


def _mean(rows, clips):
    return paired_comparison.mean_and_deviation(accuracies(rows, clips))[0]


def _accuracy(rows, clips):
    return _percent(accuracies(rows, clips)) if rows else ""


def _percent(values):
    return _number([100 * value for value in values], 1)


def _number(values, digits=2):
    mean, deviation = paired_comparison.mean_and_deviation(values)
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def _comparison(ours, rival, clips):
    compared = paired_comparison.compare(_correct(_of_seeds(ours, rival), clips), _correct(rival, clips))
    deviation = "" if compared.deviation is None else f" ± {100 * compared.deviation:.1f}"
    seeds = "" if compared.p_seeds is None else f"{compared.p_seeds:.2g}"
    return [f"{100 * compared.difference:+.1f}{deviation}", seeds, f"{compared.p_videos:.2g}"]


def _correct(rows, clips):
    return {row["seed"]: answers.correct(row, clips) for row in rows}


def _ablation(variant, rows, plain, settings):
    clips, matrix = settings["clips"], [row["matrix"] for row in rows]
    rivals = _of_seeds(plain, rows)
    difference = f"{100 * (_mean(rows, clips) - _mean(rivals, clips)):+.1f}" if rivals and rows is not plain else ""
    mass = _percent([one["mass_in_event"] for one in matrix])
    effective = _number([one["effective_frames"] for one in matrix])
    return [variant, _accuracy(rows, clips), difference, mass, effective, str(len(rows))]


def _of_whole_events(matrices, key):
    values = [one["whole_event"][key] for one in matrices]
    return "" if None in values else _percent(values)


def _axis_and_way(row, clips):
    """(share of videos whose axis is right, share of these whose way is)."""
    labels, predicted = answers.classes(row["labels"]), answers.classes(row["clips"][str(clips)]["predicted"])
    axis = labels // 2 == predicted // 2
    return float(axis.mean()), float((labels == predicted)[axis].mean()) if axis.any() else 0.0
