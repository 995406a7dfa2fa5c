"""Where does each method win? By the length of the event, by T_s and by Q."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from study import answers
from study.data import exact_split
from tsd_tf.reporting import names, paired_comparison


@dataclasses.dataclass(frozen=True)
class Winner:
    """The best method at one place of the map.

    Attributes:
        event_frames, num_distilled_frames, clips: the place: length of the event, T_s and Q.
        top1: {method: mean over the seeds}, in the order of the paper's columns; at least two methods.
        method: the best one.
        lead: its difference to the second, as a share of 1.
        standard_error: of `lead`, over the videos of all seeds.
        seeds: those that all methods have.
    """

    event_frames: int
    num_distilled_frames: int
    clips: int
    top1: dict[str, float]
    method: str
    lead: float
    standard_error: float
    seeds: tuple[int, ...]

    @property
    def is_clear(self) -> bool:
        """Whether the lead is at least two standard errors."""
        return self.lead >= 2 * self.standard_error


def find(rows: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[Winner]:
    """The Winners of all places that two methods or more have been tested at, by Q, event and T_s.

    Args:
        rows: see results.rows.
        settings: the study's.
    """
    rows = [row for row in rows if row["group"] == "map"]
    counts = sorted({int(clips) for row in rows for clips in row["clips"]})
    found = []
    for clips in counts:
        for event in settings["map_events"]:
            for distilled in settings["map_distilled"]:
                here = [row for row in rows if (row["split"], row["Ts"]) == (exact_split(event), distilled)]
                winner = _winner(here, event, distilled, clips)
                found += [winner] if winner else []
    return found


def _winner(rows, event, distilled, clips):
    correct = {
        method: {row["seed"]: answers.correct(row, clips) for row in rows if row["method"] == method}
        for method in names.METHODS
    }
    correct = {method: by_seed for method, by_seed in correct.items() if by_seed}
    seeds = sorted(set.intersection(*map(set, correct.values()))) if len(correct) > 1 else []
    if not seeds:
        return None
    correct = {method: {seed: by_seed[seed] for seed in seeds} for method, by_seed in correct.items()}
    top1 = {method: float(np.mean([one.mean() for one in by_seed.values()])) for method, by_seed in correct.items()}
    best, second = sorted(top1, key=top1.__getitem__, reverse=True)[:2]
    compared = paired_comparison.compare(correct[best], correct[second])
    return Winner(event, distilled, clips, top1, best, compared.difference, compared.standard_error, tuple(seeds))
