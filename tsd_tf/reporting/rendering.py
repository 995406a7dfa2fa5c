"""Entries and results as Tables."""

from collections.abc import Iterable, Sequence

from tsd_tf.reporting import accuracy_over_bytes, names
from tsd_tf.reporting.accuracy import Accuracy
from tsd_tf.reporting.results import Result
from tsd_tf.reporting.table import Table
from tsd_tf.reporting.tables import Entry

NO_RUN = "no run"
_MARK = "†"
CHOSEN_ON_TEST = f"{_MARK} The weights were chosen on the very videos that they are tested on, so this is too high."
# Columns of the CSV files -> attributes of entries and of results.
_PLACE = {name: name for name in ("dataset", "split", "clips", "main_network", "method")}
_PLACE |= {"T": "num_frames", "T_s": "num_distilled_frames"}
_EXPORT = ("export", "variant", "T", "T_s", "clips")
# Columns of Table 1 -> the cost of a clip, its unit, and whether every further clip costs it again.
_COSTS = {
    "client_parameters_M": ("client_parameters", 1e6, False),
    "client_GMAC": ("client_macs", 1e9, True),
    "client_ms": ("client_milliseconds", 1, True),
    "cloud_parameters_M": ("cloud_parameters", 1e6, False),
    "cloud_GMAC": ("cloud_macs", 1e9, True),
    "cloud_ms": ("cloud_milliseconds", 1, True),
}
_ACCURACY = ("top1", "standard_deviation", "standard_error")


def in_full(name: str, entries: Sequence[Entry], with_paper: bool, quality: int | None = None) -> Table:
    """A row an entry; accuracies in percent, `status` is "measured" or "no run".

    Args:
        name: of the CSV file.
        entries: of one or several tables.
        with_paper: adds the column `paper_top1`: what the paper prints, not measured here.
        quality: adds the bytes of a clip and of a video (Q clips) as JPEG of this quality.
    """
    header = [*_PLACE, "status", *_ACCURACY, "chosen_on_test_videos", "runs", "delta_to_i3d"]
    if quality is not None:
        header += [f"jpeg_{quality}_bytes_per_clip", f"jpeg_{quality}_bytes_per_video"]
    rows = []
    for entry in entries:
        accuracy = entry.accuracy
        row = [*_place(entry), "measured" if accuracy else NO_RUN]
        row += [_rounded(getattr(accuracy, name, None)) for name in _ACCURACY]
        row.append(accuracy and accuracy.is_chosen_on_test)
        row += [accuracy.runs if accuracy else 0, _rounded(entry.delta)]
        if quality is not None:
            size = accuracy and accuracy.bytes_per_clip.get(f"jpeg_{quality}")
            row += [_rounded(size), _rounded(size and size * entry.clips)]
        rows.append([*row, entry.paper] if with_paper else row)
    return Table([*header, "paper_top1"] if with_paper else header, rows, name=name)


def table_1(entries: Sequence[Entry], dataset: str, with_paper: bool) -> Table:
    """Table 1: a row an entry; counts and times are of all crops of all clips.

    Args:
        entries: what tables.table_1 returns.
        dataset: for the title.
        with_paper: adds the paper's accuracy.
    """
    header = ["Method", "#clips", "#crops", "client: params (M)", "GMAC", "ms", "processed #frames"]
    header += ["transmitted #frames", "cloud: params (M)", "GMAC", "ms", "Accuracy"]
    rows = []
    for entry in entries:
        costs = ["-" if cost is None else f"{cost:.4g}" for cost in _costs(entry)]
        frames = [f"{_views(entry) * count}" for count in (entry.num_frames, entry.num_distilled_frames)]
        row = [_name(entry), entry.clips, entry.crops, *costs[:3], *frames, *costs[3:], _text(entry, with_delta=False)]
        rows.append([*row, _paper(entry)] if with_paper else row)
    machines = {entry.costs["machine"]: None for entry in entries if entry.costs.get("machine")}
    counted = "Counts and times (ms: median of one clip, times the clips and crops) are of runs whose test counted them"
    counted += f"; times on {'; '.join(machines)}." if machines else "; no time was measured."
    notes = [counted, note(entry.accuracy for entry in entries)]
    title = f"Table 1: accuracy and cost, {dataset}"
    return Table(header + (["paper's accuracy"] if with_paper else []), rows, title, "\n\n".join(filter(None, notes)))


def table_1_in_full(entries: Sequence[Entry], with_paper: bool) -> Table:
    """`in_full` of Table 1, with crops, frames, counts and times behind it."""
    table = in_full("table1", entries, with_paper)
    header = [*table.header, "crops", "frames_processed", "frames_transmitted", *_COSTS, "machine"]
    rows = [
        [*row, entry.crops, _views(entry) * entry.num_frames, _views(entry) * entry.num_distilled_frames]
        + [_rounded(cost) for cost in _costs(entry)]
        + [entry.costs.get("machine")]
        for row, entry in zip(table.rows, entries, strict=True)
    ]
    return Table(header, rows, name=table.name)


def table_2(entries: Sequence[Entry], dataset: str, clips: int, with_paper: bool) -> list[Table]:
    """Table 2, one for each main network: a row for each (T_s, T), a column a method.

    Args:
        entries: what tables.table_2 returns for `dataset` and `clips`.
        dataset, clips: for the titles.
        with_paper: adds the paper's columns to I3D's table.
    """
    made = []
    for network in dict.fromkeys(entry.main_network for entry in entries) or (names.I3D,):
        mine = [entry for entry in entries if entry.main_network == network]
        lines: dict[tuple[int, int], dict[str, Entry]] = {}
        for entry in mine:
            lines.setdefault((entry.num_distilled_frames, entry.num_frames), {})[entry.method] = entry
        methods = sorted({*names.METHODS, *(entry.method for entry in mine)}, key=names.method_order)
        papers = names.METHODS if with_paper and network == names.I3D else {}
        header = ["#sampled frames (T_s)", "Clip length (T)"]
        header += [names.method(method, network) + ("" if method == "i3d" else " / Δ") for method in methods]
        header += [f"paper's {name}" for name in papers.values()]
        rows = [
            [*place, *(_text(line.get(method)) for method in methods), *(_paper(line.get(method)) for method in papers)]
            for place, line in lines.items()
        ]
        of_network = "" if network == names.I3D else f", {names.network(network)}"
        title = f"Table 2{of_network}: methods, {dataset}, {clips} clips"
        made.append(Table(header, rows, title, note(entry.accuracy for entry in mine)))
    return made


def table_3(entries: Sequence[Entry], title: str, with_paper: bool) -> Table:
    """Table 3: a row an entry."""
    header = ["#Clips (Q)", "Method", "Clip length (T)", "#sampled frames (T_s)", "Accuracy"]
    rows = [
        [entry.clips, _name(entry), entry.num_frames, entry.num_distilled_frames, _text(entry, with_delta=False)]
        + ([_paper(entry)] if with_paper else [])
        for entry in entries
    ]
    found = note(entry.accuracy for entry in entries)
    return Table(header + (["paper's accuracy"] if with_paper else []), rows, title, found)


def table_4(entries: Sequence[Entry], title: str, with_paper: bool) -> Table:
    """Table 4: a row for each (T_s, method, T), split 1 and the average over the splits side by side."""
    header = ["#sampled frames (T_s)", "Method", "Clip length (T)", "Accuracy, split 1", "Accuracy, splits 1 to 3"]
    rows = [
        [first.num_distilled_frames, _name(first), first.num_frames]
        + [_text(first, with_delta=False), _text(average, with_delta=False)]
        + ([_paper(first)] if with_paper else [])
        for first, average in zip(entries[::2], entries[1::2], strict=True)
    ]
    found = note(entry.accuracy for entry in entries)
    return Table(header + (["paper's accuracy, split 1"] if with_paper else []), rows, title, found)


def note(accuracies: Iterable[Accuracy | None]) -> str:
    """The footnote of a table of `accuracy_text`, "" where no cell has the mark."""
    return CHOSEN_ON_TEST if any(accuracy and accuracy.is_chosen_on_test for accuracy in accuracies) else ""


def accuracy_text(accuracy: Accuracy) -> str:
    """An Accuracy as the cell of a table: "68.6", or "68.6 ± 0.3 (3 runs)", with a mark that `note` explains."""
    text = f"{accuracy.top1:.1f}"
    if accuracy.standard_deviation is not None:
        text += f" ± {accuracy.standard_deviation:.1f} ({accuracy.runs} runs)"
    return text + (f" {_MARK}" if accuracy.is_chosen_on_test else "")


def exports(found: Sequence[Result]) -> Table:
    """What exported halves reached, a row a test."""
    header = ["export", "variant", "codec", "quality", "method", "T", "T_s", "clips", "top1", "standard_error"]
    header += ["videos", "bytes_sent_per_clip"]
    rows = [
        (str(result.path.parent), *result.coding.values(), result.method, result.num_frames)
        + (result.num_distilled_frames, result.clips, *_percent(result), result.videos)
        + (round(result.bytes_sent_per_clip),)
        for result in found
        if result.source == "export"
    ]
    return Table(header, sorted(rows, key=str), "Exported halves: client, codec, cloud", name="exported")


def codings(found: Sequence[Result]) -> Table:
    """Accuracy over bytes of exported halves whose frames travelled in several ways, a row a way."""
    header = (*_EXPORT, *accuracy_over_bytes.HEADER)
    rows = [(*_export(result), *row) for result in found for row in accuracy_over_bytes.rows(result.codings)]
    return Table(header, rows, "Exported halves: accuracy over bytes", name="codings")


def equal_accuracy(found: Sequence[Result]) -> Table:
    """The bytes of distilled frames and of the whole clip at equal accuracy, a row a test and codec."""
    header = (*_EXPORT, *accuracy_over_bytes.HEADER_AT_EQUAL_ACCURACY)
    rows = [
        (*_export(result), *row)
        for result in found
        for row in accuracy_over_bytes.rows_at_equal_accuracy(result.codings)
    ]
    note = (
        "At the lowest accuracy within one standard error of that of raw distilled frames; between two qualities "
        "interpolated over the logarithm of the bytes, never extrapolated."
    )
    return Table(header, rows, "Exported halves: bytes at equal accuracy", note, "equal_accuracy")


def left_out(found: Sequence[Result]) -> Table:
    """The results that no other table shows, a row each."""
    rows = [
        (
            str(result.path),
            *_place(result),
            result.crops,
            *_percent(result),
            result.chosen_on_test_videos,
            result.videos,
        )
        for result in found
    ]
    header = ("evaluation", *_PLACE, "crops", "top1", "standard_error", "chosen_on_test_videos", "videos")
    note = (
        "Of another data set or number of clips than the tables above, of ten crops without --costs, of one split of "
        "UCF101 without the others, or tested on other shards than the run's configuration names for tests."
    )
    return Table(header, sorted(rows), "In none of the tables above", note, "left_out")


def _views(entry):
    return entry.clips * entry.crops


def _costs(entry):
    """The costs by column; None of a half that there is not, or that was not counted."""
    found = []
    for name, unit, is_of_every_clip in _COSTS.values():
        cost = entry.costs.get(name)
        found.append(None if cost is None else cost * (_views(entry) if is_of_every_clip else 1) / unit)
    return found


def _export(result):
    frames = (result.num_frames, result.num_distilled_frames)
    return (str(result.path.parent), result.coding["variant"], *frames, result.clips)


def _place(one):
    return [getattr(one, attribute) for attribute in _PLACE.values()]


def _name(entry):
    return names.method(entry.method, entry.main_network)


def _percent(result):
    return (round(100 * result.top1, 2), round(100 * result.top1_standard_error, 2))


def _text(entry, with_delta=True):
    if entry is None:
        return "-"
    if entry.accuracy is None:
        return NO_RUN
    text = accuracy_text(entry.accuracy)
    return text if entry.delta is None or not with_delta else f"{text} / {entry.delta:+.1f}"


def _paper(entry):
    return "-" if entry is None or entry.paper is None else f"{entry.paper:.1f}"


def _rounded(value):
    return None if value is None else round(value, 3)
