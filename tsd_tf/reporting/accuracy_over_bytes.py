"""Accuracy over the bytes that travel: what one test's codings say, as tables and as bytes at equal accuracy.

A coding is an entry of `codings` in the JSON of an evaluation: {"what": a key of names.SENT, "codec", "quality",
"bytes_per_clip", "top1", "top1_standard_error"}, the last two as shares of 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tsd_tf.reporting import names
from tsd_tf.reporting.table import Table

HEADER = ("sent", "codec", "quality", "bytes_per_clip", "top1", "standard_error")
HEADER_AT_EQUAL_ACCURACY = ("codec", "top1", "distilled_bytes", "whole_clip_bytes", "ratio", "note")


def bytes_at(points: Iterable[tuple[float, float]], top1: float) -> float | None:
    """The bytes at which a curve first reaches an accuracy.

    The curve is the best accuracy that up to so many bytes have reached: noise makes measured points fall now and then,
    but nobody has to take the worse of two qualities. Between two points it is linear in the logarithm of the bytes.

    Args:
        points: (bytes, accuracy) of each quality.
        top1: the accuracy.

    Returns:
        Bytes; None where the points do not reach it, or all lie above it: nothing is extrapolated.
    """
    sizes, accuracies = zip(*sorted(points), strict=True)
    best = np.maximum.accumulate(accuracies)
    after = int(np.searchsorted(best, top1))  # the first point that reaches it
    if after == len(best) or (after == 0 and best[0] > top1):
        return None
    if best[after] == top1:
        return float(sizes[after])
    share = (top1 - best[after - 1]) / (best[after] - best[after - 1])
    return float(sizes[after - 1] ** (1 - share) * sizes[after] ** share)


def at_equal_accuracy(codings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What distilled frames and the whole clip take at the same accuracy, for each codec.

    The accuracy is the lowest within one standard error of that of distilled frames that travel raw.

    Args:
        codings: of one test.

    Returns:
        A dict that JSON can hold for each codec that loses something: {"codec", "top1": the accuracy, "distilled" and
        "whole_clip": bytes a clip, "ratio": of these two, "note"}. What the curves do not tell is None, and the note
        says why. Empty without raw frames.
    """
    raw = next((coding for coding in codings if (coding["what"], coding["codec"]) == ("distilled", "raw")), None)
    if raw is None:
        return []
    top1 = raw["top1"] - raw["top1_standard_error"]
    found = []
    for codec in dict.fromkeys(coding["codec"] for coding in codings if coding["quality"] is not None):
        sizes: dict[str, Any] = {}
        notes = []
        for what in ("distilled", "whole_clip"):
            points = [
                (coding["bytes_per_clip"], coding["top1"])
                for coding in codings
                if (coding["what"], coding["codec"]) == (what, codec)
            ]
            sizes[what] = bytes_at(points, top1) if points else None
            if sizes[what] is None:
                notes.append(f"{names.SENT[what].partition(',')[0]}: {_why_not(points, top1)}")
        ratio = sizes["distilled"] / sizes["whole_clip"] if not notes else None
        found.append({"codec": codec, "top1": top1, **sizes, "ratio": ratio, "note": "; ".join(notes) or None})
    return found


def rows(codings: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows below HEADER, accuracies in percent."""
    return [
        (names.SENT[coding["what"]], coding["codec"], coding["quality"], round(coding["bytes_per_clip"]))
        + (round(100 * coding["top1"], 2), round(100 * coding["top1_standard_error"], 2))
        for coding in codings
    ]


def rows_at_equal_accuracy(codings: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows below HEADER_AT_EQUAL_ACCURACY, accuracies in percent."""
    return [
        (
            found["codec"],
            round(100 * found["top1"], 2),
            *(_rounded(found[what]) for what in ("distilled", "whole_clip")),
        )
        + (_rounded(found["ratio"], 3), found["note"])
        for found in at_equal_accuracy(codings)
    ]


def tables(codings: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Of one test: its codings, and its bytes at equal accuracy; those of the two that have a row."""
    both = [Table(HEADER, rows(codings)), Table(HEADER_AT_EQUAL_ACCURACY, rows_at_equal_accuracy(codings))]
    return [table for table in both if table.rows]


def _why_not(points, top1):
    if not points:
        return "not tested"
    if max(accuracy for _, accuracy in points) < top1:
        return f"no quality tested reaches {top1:.1%}"
    return f"all qualities tested reach {top1:.1%}"


def _rounded(value, digits=None):
    return None if value is None else round(value, digits)
