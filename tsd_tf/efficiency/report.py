"""The efficiency table as Markdown, CSV and JSON."""

import csv
import dataclasses
import io
import json

COLUMNS = (
    "table",
    "method",
    "part",
    "clips",
    "T",
    "T_s",
    "parameters_M",
    "paper_parameters_M",
    "GMAC",
    "paper_GMAC",
    "GMAC_deviation_percent",
    "linear_rule_GMAC",
    "Y_XP_GMAC",
    "frames_transmitted",
    "raw_MB",
    "jpeg_MB",
    "milliseconds",
    "paper_milliseconds",
)


def lines(row, measurement):
    """The table's lines for a row: client, cloud and both where it has a client; else the cloud alone.

    Returns:
        list of dicts with the keys of COLUMNS; None where there is nothing.
    """
    m = measurement
    parts = [("cloud", m.cloud_parameters, m.cloud_macs, m.cloud_milliseconds, row.cloud)]
    if m.client_parameters is not None:
        timed = m.client_milliseconds is not None
        parts.insert(0, ("client", m.client_parameters, m.client_macs, m.client_milliseconds, row.client))
        parts.append(
            (
                "both",
                m.client_parameters + m.cloud_parameters,
                m.client_macs + m.cloud_macs,
                m.client_milliseconds + m.cloud_milliseconds if timed else None,
                row.both,
            )
        )
    return [_line(row, m, *part) for part in parts]


def _line(row, measurement, part, parameters, macs, milliseconds, paper):
    on_cloud = part == "cloud"
    linear = measurement.linear_rule_macs if on_cloud else None
    distillation = measurement.distillation_macs if part == "client" else None
    return {
        "table": row.table,
        "method": row.name,
        "part": part,
        "clips": row.num_clips,
        "T": row.num_frames,
        "T_s": row.num_distilled_frames,
        "parameters_M": round(parameters / 1e6, 3),
        "paper_parameters_M": paper.parameters if paper else None,
        "GMAC": round(macs / 1e9, 2),
        "paper_GMAC": paper.gmac if paper else None,
        "GMAC_deviation_percent": round(100 * (macs / 1e9 / paper.gmac - 1), 1) if paper else None,
        "linear_rule_GMAC": None if linear is None else round(linear / 1e9, 2),
        "Y_XP_GMAC": None if distillation is None else round(distillation / 1e9, 2),
        "frames_transmitted": measurement.frames_transmitted if on_cloud else None,
        "raw_MB": round(measurement.bytes_raw / 1e6, 2) if on_cloud else None,
        "jpeg_MB": round(measurement.bytes_jpeg / 1e6, 2) if on_cloud else None,
        "milliseconds": None if milliseconds is None else round(milliseconds, 1),
        "paper_milliseconds": paper.milliseconds if paper else None,
    }


def to_markdown(table, notes):
    """A Markdown table of `lines`, the notes below it."""
    cells = [list(COLUMNS), *([_text(line[column]) for column in COLUMNS] for line in table)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(COLUMNS))]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    written.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join([*written, "", *(f"- {note}" for note in notes)]) + "\n"


def to_csv(table):
    """A CSV table of `lines`, an empty cell where there is nothing."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def to_json(measured, notes):
    """All counts, unrounded, of (Row, Measurement) pairs."""
    rows = [{**dataclasses.asdict(row), "measured": dataclasses.asdict(m)} for row, m in measured]
    return json.dumps({"rows": rows, "notes": list(notes)}, indent=2) + "\n"


def _text(value):
    return "" if value is None else str(value)
