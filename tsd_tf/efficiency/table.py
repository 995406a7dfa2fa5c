"""The efficiency table: what is measured beside what the paper prints."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from tsd_tf.efficiency.measurement import Measurement
from tsd_tf.efficiency.rows import Row
from tsd_tf.reporting.table import Table


def costs(measured: Iterable[tuple[Row, Measurement]], notes: Sequence[str]) -> Table:
    """The table of all rows, the notes below it."""
    table = [line for row, measurement in measured for line in lines(row, measurement)]
    return Table(tuple(table[0]), [tuple(line.values()) for line in table], note="\n".join(f"- {n}" for n in notes))


def counts(measured: Iterable[tuple[Row, Measurement]]) -> list[dict[str, Any]]:
    """All counts, unrounded, as JSON has them."""
    return [{**dataclasses.asdict(row), "measured": dataclasses.asdict(m)} for row, m in measured]


def lines(row: Row, measurement: Measurement) -> list[dict[str, Any]]:
    """The table's lines for a row: client, cloud and both where it has a client; else the cloud alone.

    Returns:
        {column: value} of each; None where there is nothing.
    """
    m = measurement
    parts: list[tuple] = [("cloud", m.cloud_parameters, m.cloud_macs, m.cloud_milliseconds, row.cloud)]
    if m.client_parameters is not None:
        parts.insert(0, ("client", m.client_parameters, m.client_macs, m.client_milliseconds, row.client))
        both = (None if None in pair else sum(pair) for pair in zip(parts[0][1:4], parts[1][1:4], strict=True))
        parts.append(("both", *both, row.both))
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
