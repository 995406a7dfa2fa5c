"""Tables 1 to 4 and the curves of Figure 3, filled from results; cells without a run stay in them, empty."""

import dataclasses
import operator
import statistics
from collections.abc import Iterable
from typing import Any

from tsd_tf.reporting import names, paper, results
from tsd_tf.reporting.accuracy import Accuracy
from tsd_tf.reporting.results import Result

KINETICS, UCF101 = "kinetics400", "ucf101"
SPLITS = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One cell of a table with its place in it.

    Attributes:
        dataset: of the runs.
        split: of UCF101: "1", or "1-3" for the average over its splits; else "".
        clips, main_network, method, num_frames, num_distilled_frames: Q, network, method, T, T_s.
        accuracy: None where there is no run.
        delta: points above the main network on consecutive frames at the same T_s; None where either has no run, and
            for that method itself.
        paper: what the paper prints there; None where it prints nothing.
        crops: of every clip; only Table 1 has others than 1.
        costs: in Table 1, of one of the runs, see Result; else empty.
    """

    dataset: str
    split: str
    clips: int
    main_network: str
    method: str
    num_frames: int
    num_distilled_frames: int
    accuracy: Accuracy | None
    delta: float | None
    paper: float | None
    crops: int = 1
    costs: dict[str, Any] = dataclasses.field(default_factory=dict)


def table_1(found: list[Result], dataset: str) -> list[Entry]:
    """Accuracy beside costs: the paper's rows on Kinetics, then every setting of which a test was asked for its costs.

    Args:
        found: results.
        dataset: name of the data set.
    """
    printed = paper.TABLE_1 if dataset == KINETICS else {}
    mine = [result for result in found if result.dataset == dataset and result.is_of_a_network]
    counted = {(_place(result), result.crops) for result in mine if result.costs}
    places = {((dataset, clips, *setting), crops): value for (clips, crops, *setting), value in printed.items()}
    further = sorted(counted - places.keys(), key=lambda row: (names.network_order(row[0][2]), *_by_frames(row)))
    entries = []
    for place, crops in [*places, *further]:
        entry = _entry(found, place, places.get((place, crops)), crops=crops)
        costs = [result.costs for result in _chosen(found, place, crops=crops) if result.costs]
        entries.append(dataclasses.replace(entry, delta=None, costs=costs[0] if costs else {}))
    return entries


def table_2(found: list[Result], dataset: str, clips: int) -> list[Entry]:
    """Methods over (T_s, T): the entries by main network, in the order of the rows, then of the columns.

    The rows are the paper's, for I3D on Kinetics, and those of further runs.

    Args:
        found: results.
        dataset: name of the data set.
        clips: Q; the paper's is 3.
    """
    entries = []
    for network in _networks(found, dataset):
        with_runs = _settings(found, dataset, clips, network)
        of_paper = paper.TABLE_2 if (dataset, network) == (KINETICS, names.I3D) else {}
        printed = of_paper if clips == paper.TABLE_2_CLIPS else {}
        rows = {(num_distilled, num_frames) for _, num_frames, num_distilled in with_runs}
        rows |= {(num_distilled, num_distilled) for num_distilled, _ in rows} | set(of_paper)
        for num_distilled, num_frames in sorted(rows):
            methods = {"i3d", "i3d_a"} if num_frames == num_distilled else set(names.METHODS) - {"i3d"}
            methods |= {method for method, *frames in with_runs if frames == [num_frames, num_distilled]}
            for method in sorted(methods, key=names.method_order):
                value = printed.get((num_distilled, num_frames), {}).get(method)
                entries.append(_entry(found, (dataset, clips, network, method, num_frames, num_distilled), value))
    return entries


def table_3(found: list[Result], dataset: str) -> list[Entry]:
    """I3D and I3D+TSD over Q: the entries in the order of the rows; for Kinetics at least the paper's.

    There are such rows for every main network; a user's own selector is treated as TSD.
    """
    entries = []
    for network in _networks(found, dataset):
        printed = paper.TABLE_3 if (dataset, network) == (KINETICS, names.I3D) else {}
        rows = set(printed)
        for clips in {result.clips for result in found}:
            for method, num_frames, num_distilled in _settings(found, dataset, clips, network):
                if method == "tsd" or method not in names.METHODS:
                    rows |= {(clips, method, num_frames, num_distilled), (clips, "i3d", num_distilled, num_distilled)}
        for row in sorted(rows, key=lambda row: (row[0], row[3], row[2], names.method_order(row[1]))):
            clips, *setting = row
            entries.append(_entry(found, (dataset, clips, network, *setting), printed.get(row)))
    return entries


def table_4(found: list[Result]) -> list[Entry]:
    """UCF101, one clip: for every row an entry of split 1 and one of the average over the three splits."""
    clips = paper.TABLE_4_CLIPS
    entries = []
    for network in _networks(found, UCF101):
        printed = paper.TABLE_4 if network == names.I3D else {}
        rows = set(printed) | {
            (last, method, first) for method, first, last in _settings(found, UCF101, clips, network)
        }
        for row in sorted(rows, key=lambda row: (row[0], row[2], names.method_order(row[1]))):
            num_distilled, method, num_frames = row
            place = (UCF101, clips, network, method, num_frames, num_distilled)
            entries += [_entry(found, place, printed.get(row), split=1), _average_over_splits(found, place)]
    return entries


def curve(found: list[Result], dataset: str, clips: int) -> list[Entry]:
    """Figure 3: every method's accuracy over the frames that its main network processes.

    Args:
        found: results.
        dataset: name of the data set; of UCF101, split 1 is taken.
        clips: Q.

    Returns:
        Entries with an accuracy, by main network, method, then T_s; of several T that of the largest.
    """
    split = 1 if dataset == UCF101 else None
    entries = []
    for network in _networks(found, dataset):
        longest = {}
        for method, num_frames, num_distilled in sorted(_settings(found, dataset, clips, network, split=split)):
            longest[names.method_order(method), num_distilled] = (method, num_frames, num_distilled)
        entries += [
            _entry(found, (dataset, clips, network, *setting), None, split) for _, setting in sorted(longest.items())
        ]
    return entries


def left_out(found: list[Result], entries: Iterable[Entry]) -> list[Result]:
    """The results of networks that none of `entries` shows."""
    splits = {"": (None,), "1": (1,), "1-3": SPLITS}
    shown = {
        id(result)
        for entry in entries
        if entry.accuracy
        for split in splits[entry.split]
        for result in _chosen(found, _place(entry), split, entry.crops)
    }
    return [result for result in found if result.source != "export" and id(result) not in shown]


def papers_curve(dataset: str) -> dict[str, list[tuple[int, float]]]:
    """The paper's own curves: {method: [(T_s, top-1), ...]}, of Table 2 or of Table 4; empty for other data sets."""
    if dataset == KINETICS:
        points = [(*row, method, value) for row, line in paper.TABLE_2.items() for method, value in line.items()]
    elif dataset == UCF101:
        points = [(last, first, method, value) for (last, method, first), value in paper.TABLE_4.items()]
    else:
        points = []
    longest: dict[str, dict[int, float]] = {}
    for num_distilled, _, method, value in sorted(points):
        longest.setdefault(method, {})[num_distilled] = value
    return {method: list(line.items()) for method, line in longest.items()}


_place = operator.attrgetter("dataset", "clips", "main_network", "method", "num_frames", "num_distilled_frames")


def _networks(found, dataset):
    """I3D, and the other main networks that have a run."""
    with_runs = {result.main_network for result in found if result.dataset == dataset and _is_paper_s_test(result)}
    return sorted(with_runs | {names.I3D}, key=names.network_order)


def _settings(found, *place, split=None):
    """The (method, T, T_s) that have a run at a (data set, Q, main network)."""
    tested = [result for result in found if _is_paper_s_test(result) and split in (None, result.split_of_ucf101)]
    return {one[3:] for one in map(_place, tested) if one[:3] == place}


def _is_paper_s_test(result):
    """Whether it can be in Tables 2 to 4, whose clips are cropped once."""
    return result.is_of_a_network and result.crops == 1


def _by_frames(row):
    (_, clips, _, method, num_frames, num_distilled), crops = row
    return names.method_order(method), num_distilled, num_frames, clips, crops


def _chosen(found, place, split=None, crops=1):
    """The tested networks at a (data set, Q, main network, method, T, T_s)."""
    at_place = [one for one in found if one.is_of_a_network and one.crops == crops and _place(one) == place]
    return [result for result in at_place if split in (None, result.split_of_ucf101)]


def _entry(found, place, printed, split=None, crops=1):
    *setting, method, _, num_distilled = place
    accuracy = results.accuracy(_chosen(found, place, split, crops))
    baseline = results.accuracy(_chosen(found, (*setting, "i3d", num_distilled, num_distilled), split, crops))
    delta = accuracy.top1 - baseline.top1 if accuracy and baseline and method != "i3d" else None
    return Entry(place[0], "" if split is None else str(split), *place[1:], accuracy, delta, printed, crops)


def _average_over_splits(found, place):
    by_split = [results.accuracy(_chosen(found, place, split)) for split in SPLITS]
    mean = None
    if all(by_split):
        values = [accuracy.top1 for accuracy in by_split]
        runs = sum(accuracy.runs for accuracy in by_split)
        is_chosen = any(accuracy.is_chosen_on_test for accuracy in by_split)
        mean = Accuracy(statistics.fmean(values), statistics.stdev(values), None, runs, {}, is_chosen)
    return Entry(place[0], "1-3", *place[1:], mean, None, None)
