"""Tables as Markdown and CSV."""

import csv
import io

from tsd_tf.reporting import paper

NO_RUN = "no run"
_COLUMNS = ("dataset", "split", "clips", "method", "T", "T_s", "status", "top1", "standard_deviation", "standard_error")
_COLUMNS += ("runs", "delta_to_i3d")


def to_csv(entries, with_paper, quality=None):
    """Entries as CSV, a line a cell; accuracies in percent, `status` is "measured" or "no run".

    Args:
        entries: list of Entry.
        with_paper: adds the column `paper_top1`: what the paper prints, not measured here.
        quality: adds the bytes of a clip and of a video (Q clips) as JPEG of this quality.
    """
    columns = list(_COLUMNS)
    if quality is not None:
        columns += [f"jpeg_{quality}_bytes_per_clip", f"jpeg_{quality}_bytes_per_video"]
    if with_paper:
        columns.append("paper_top1")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for entry in entries:
        cell = entry.cell
        numbers = (cell.top1, cell.standard_deviation, cell.standard_error) if cell else (None,) * 3
        row = [entry.dataset, entry.split, entry.clips, entry.method, entry.num_frames, entry.num_distilled_frames]
        row += [
            "measured" if cell else NO_RUN,
            *map(_rounded, numbers),
            cell.runs if cell else 0,
            _rounded(entry.delta),
        ]
        if quality is not None:
            size = cell and cell.bytes_per_clip.get(f"jpeg_{quality}")
            row += [_rounded(size), _rounded(size and size * entry.clips)]
        if with_paper:
            row.append(entry.paper)
        writer.writerow(["" if value is None else value for value in row])
    return stream.getvalue()


def exports_to_csv(found):
    """The results of exported halves as CSV, a line a test."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_EXPORT_COLUMNS)
    writer.writerows(["" if value is None else value for value in line] for line in _export_lines(found))
    return stream.getvalue()


def table_2(entries, with_paper):
    """Table 2's Markdown: a row for each (T_s, T), a column a method."""
    lines = {}
    for entry in entries:
        lines.setdefault((entry.num_distilled_frames, entry.num_frames), {})[entry.method] = entry
    header = ["#sampled frames (T_s)", "Clip length (T)"]
    header += [name if method == "i3d" else f"{name} / Δ" for method, name in paper.METHODS.items()]
    if with_paper:
        header += [f"paper's {name}" for name in paper.METHODS.values()]
    rows = []
    for (num_distilled, num_frames), line in lines.items():
        row = [str(num_distilled), str(num_frames)]
        row += [_text(line[method]) if method in line else "-" for method in paper.METHODS]
        if with_paper:
            row += [_paper(line[method]) if method in line else "-" for method in paper.METHODS]
        rows.append(row)
    return _markdown(header, rows)


def table_3(entries, with_paper):
    """Table 3's Markdown: a row an entry."""
    header = ["#Clips (Q)", "Method", "Clip length (T)", "#sampled frames (T_s)", "Accuracy"]
    rows = [
        [str(entry.clips), paper.METHODS[entry.method], str(entry.num_frames), str(entry.num_distilled_frames)]
        + [_text(entry, with_delta=False)]
        + ([_paper(entry)] if with_paper else [])
        for entry in entries
    ]
    return _markdown(header + (["paper's accuracy"] if with_paper else []), rows)


def table_4(entries, with_paper):
    """Table 4's Markdown: a row for each (T_s, method, T), split 1 and the average over the splits side by side."""
    header = ["#sampled frames (T_s)", "Method", "Clip length (T)", "Accuracy, split 1", "Accuracy, splits 1 to 3"]
    rows = [
        [str(first.num_distilled_frames), paper.METHODS[first.method], str(first.num_frames)]
        + [_text(first, with_delta=False), _text(average, with_delta=False)]
        + ([_paper(first)] if with_paper else [])
        for first, average in zip(entries[::2], entries[1::2], strict=True)
    ]
    return _markdown(header + (["paper's accuracy, split 1"] if with_paper else []), rows)


def exports(found):
    """The Markdown of what exported halves reached, a row a test."""
    rows = [["" if value is None else str(value) for value in line] for line in _export_lines(found)]
    return _markdown(_EXPORT_COLUMNS, rows)


_EXPORT_COLUMNS = ("export", "variant", "codec", "quality", "method", "T", "T_s", "clips", "top1", "standard_error")
_EXPORT_COLUMNS += ("videos", "bytes_sent_per_clip")


def _export_lines(found):
    lines = [
        (str(result.path.parent), *(result.coding[name] for name in ("variant", "codec", "quality")), result.method)
        + (result.num_frames, result.num_distilled_frames, result.clips, round(100 * result.top1, 2))
        + (round(100 * result.top1_standard_error, 2), result.videos, round(result.bytes_sent_per_clip))
        for result in found
        if result.source == "export"
    ]
    return sorted(lines, key=str)


def _text(entry, with_delta=True):
    if entry.cell is None:
        return NO_RUN
    text = f"{entry.cell.top1:.1f}"
    if entry.cell.standard_deviation is not None:
        text += f" ± {entry.cell.standard_deviation:.1f} ({entry.cell.runs} runs)"
    return text if entry.delta is None or not with_delta else f"{text} / {entry.delta:+.1f}"


def _paper(entry):
    return "-" if entry.paper is None else f"{entry.paper:.1f}"


def _rounded(value):
    return None if value is None else round(value, 3)


def _markdown(header, rows):
    widths = [max(len(row[index]) for row in [header, *rows]) for index in range(len(header))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "".join(f"| {line} |\n" for line in lines)
