"""Tables 2, 3 and 4 and the curves of Figure 3, filled from results: what is there, and what is not."""

import dataclasses
import statistics

from tsd_tf.reporting import paper, results
from tsd_tf.reporting.cell import Cell

KINETICS, UCF101 = "kinetics400", "ucf101"
MAIN_NETWORK = "inception_i3d"
SPLITS = (1, 2, 3)
_METHODS = tuple(paper.METHODS)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One cell of a table with its place in it.

    Attributes:
        dataset: of the runs.
        split: of UCF101: "1", or "1-3" for the average over its splits; else "".
        clips, method, num_frames, num_distilled_frames: Q, one of METHODS, T, T_s.
        cell: Cell; None where there is no run.
        delta: points above I3D at the same T_s; None where either has no run, and for I3D itself.
        paper: what the paper prints there; None where it prints nothing.
    """

    dataset: str
    split: str
    clips: int
    method: str
    num_frames: int
    num_distilled_frames: int
    cell: Cell | None
    delta: float | None
    paper: float | None


def table_2(found, dataset, clips):
    """Methods over (T_s, T): a list of Entry, in the order of the rows, then of the columns.

    The rows are the paper's, for Kinetics, and those of further runs.

    Args:
        found: list of Result.
        dataset: name of the data set.
        clips: Q; the paper's is 3.
    """
    with_runs = _settings(found, dataset, clips)
    rows = {(num_distilled, num_frames) for _, num_frames, num_distilled in with_runs}
    rows |= {(num_distilled, num_distilled) for num_distilled, _ in rows}
    if dataset == KINETICS:
        rows |= set(paper.TABLE_2)
    printed = paper.TABLE_2 if dataset == KINETICS and clips == paper.TABLE_2_CLIPS else {}
    entries = []
    for num_distilled, num_frames in sorted(rows):
        methods = {"i3d", "i3d_a"} if num_frames == num_distilled else set(_METHODS) - {"i3d"}
        methods |= {method for method in _METHODS if (method, num_frames, num_distilled) in with_runs}
        for method in sorted(methods, key=_METHODS.index):
            value = printed.get((num_distilled, num_frames), {}).get(method)
            entries.append(_entry(found, dataset, None, clips, method, num_frames, num_distilled, value))
    return entries


def table_3(found, dataset):
    """I3D and I3D+TSD over Q: a list of Entry, in the order of the rows; for Kinetics at least the paper's."""
    rows = set(paper.TABLE_3) if dataset == KINETICS else set()
    for clips in sorted({result.clips for result in found if result.dataset == dataset}):
        for method, num_frames, num_distilled in _settings(found, dataset, clips):
            if method == "tsd":
                rows |= {(clips, "tsd", num_frames, num_distilled), (clips, "i3d", num_distilled, num_distilled)}
    printed = paper.TABLE_3 if dataset == KINETICS else {}
    return [
        _entry(found, dataset, None, clips, method, num_frames, num_distilled, printed.get(row))
        for row in sorted(rows, key=lambda row: (row[0], row[3], row[2], _METHODS.index(row[1])))
        for clips, method, num_frames, num_distilled in [row]
    ]


def table_4(found):
    """I3D and I3D+TSD on UCF101, one clip: a list of Entry, for every row one of split 1, one of the three splits."""
    clips = paper.TABLE_4_CLIPS
    rows = set(paper.TABLE_4)
    for method, num_frames, num_distilled in _settings(found, UCF101, clips):
        if method in ("i3d", "tsd"):
            rows.add((num_distilled, method, num_frames))
    entries = []
    for row in sorted(rows, key=lambda row: (row[0], row[2], _METHODS.index(row[1]))):
        num_distilled, method, num_frames = row
        setting = (clips, method, num_frames, num_distilled)
        entries.append(_entry(found, UCF101, 1, *setting, paper.TABLE_4.get(row)))
        entries.append(_average_over_splits(found, *setting))
    return entries


def curve(found, dataset, clips):
    """Figure 3: every method's accuracy over the frames that its main network processes.

    Args:
        found: list of Result.
        dataset: name of the data set; of UCF101, split 1 is taken.
        clips: Q.

    Returns:
        List of Entry with a cell, by method, then T_s; of several T that of the largest.
    """
    split = 1 if dataset == UCF101 else None
    longest = {}
    for method, num_frames, num_distilled in sorted(_settings(found, dataset, clips, split)):
        longest[method, num_distilled] = num_frames
    return [
        _entry(found, dataset, split, clips, method, num_frames, num_distilled, None)
        for (method, num_distilled), num_frames in sorted(
            longest.items(), key=lambda item: (_METHODS.index(item[0][0]), item[0][1])
        )
    ]


def papers_curve(dataset):
    """The paper's own curves: {method: [(T_s, top-1), ...]}, of Table 2 or of Table 4; empty for other data sets."""
    if dataset == KINETICS:
        cells = [
            (method, row[0], row[1], value) for row, line in paper.TABLE_2.items() for method, value in line.items()
        ]
    elif dataset == UCF101:
        cells = [
            (method, num_distilled, num_frames, v) for (num_distilled, method, num_frames), v in paper.TABLE_4.items()
        ]
    else:
        return {}
    curves = {}
    for method, num_distilled, _, value in sorted(cells, key=lambda cell: cell[:3]):
        curves.setdefault(method, {})[num_distilled] = value
    return {method: sorted(points.items()) for method, points in curves.items()}


def _settings(found, dataset, clips, split=None):
    """The (method, T, T_s) that have a run."""
    return {
        (result.method, result.num_frames, result.num_distilled_frames)
        for result in found
        if (result.dataset, result.clips, result.main_network) == (dataset, clips, MAIN_NETWORK)
        and result.is_of_a_network
        and split in (None, result.split_of_ucf101)
    }


def _cell(found, dataset, split, clips, method, num_frames, num_distilled):
    wanted = {} if split is None else {"split_of_ucf101": split}
    return results.cell(
        found,
        dataset=dataset,
        main_network=MAIN_NETWORK,
        clips=clips,
        method=method,
        num_frames=num_frames,
        num_distilled_frames=num_distilled,
        **wanted,
    )


def _entry(found, dataset, split, clips, method, num_frames, num_distilled, printed):
    cell = _cell(found, dataset, split, clips, method, num_frames, num_distilled)
    baseline = _cell(found, dataset, split, clips, "i3d", num_distilled, num_distilled)
    delta = cell.top1 - baseline.top1 if cell and baseline and method != "i3d" else None
    place = "" if split is None else str(split)
    return Entry(dataset, place, clips, method, num_frames, num_distilled, cell, delta, printed)


def _average_over_splits(found, clips, method, num_frames, num_distilled):
    setting = (clips, method, num_frames, num_distilled)
    cells = [_cell(found, UCF101, split, *setting) for split in SPLITS]
    mean = None
    if all(cells):
        accuracies = [cell.top1 for cell in cells]
        runs = sum(cell.runs for cell in cells)
        mean = Cell(statistics.fmean(accuracies), statistics.stdev(accuracies), None, runs, {})
    return Entry(UCF101, "1-3", *setting, mean, None, None)
