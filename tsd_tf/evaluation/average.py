"""Several runs of one setting, as the three splits of UCF101 (Section 4.1) or several seeds, averaged."""

import os
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.evaluation.subject import Subject

_SETTING = ("dataset", "method", "main_network")
_MEASURES = ("top1", "top5", "mean_class_accuracy")


def check(subjects: Sequence[Subject]) -> None:
    """UserError unless the Subjects may be averaged: they may differ in data folder and seed alone."""
    settings = [
        (*(subject.facts.get(name) for name in _SETTING), subject.num_frames, subject.num_distilled_frames)
        for subject in subjects
    ]
    for subject, setting in zip(subjects, settings, strict=True):
        if setting != settings[0]:
            raise UserError(
                f"runs that are tested together are averaged, so they must be of one setting: {subjects[0].name} is "
                f"{_described(settings[0])}, {subject.name} is {_described(setting)}; test them one by one"
            )


def of(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of evaluations and its standard deviation.

    Args:
        summaries: at least two contents of evaluation JSONs, of one setting and Q.

    Returns:
        A dict that JSON can hold: what the runs share, their paths, and for each accuracy the mean and the standard
        deviation over the runs (of a sample: divided by n - 1).
    """
    first = summaries[0]
    shared = ("clips", "crops", "split", *_SETTING, "num_frames", "num_distilled_frames")
    splits = [summary["split_of_ucf101"] for summary in summaries]
    measures = {}
    for name in _MEASURES:
        values = [summary[name] for summary in summaries]
        measures[name] = statistics.fmean(values)
        measures[f"{name}_standard_deviation"] = statistics.stdev(values)
    return {
        **{name: first[name] for name in shared},
        "runs": [summary["workdir"] for summary in summaries],
        "splits_of_ucf101": splits if all(splits) else None,
        "videos": [summary["videos"] for summary in summaries],
        "chosen_on_test_videos": any(summary.get("chosen_on_test_videos") for summary in summaries),
        **measures,
    }


def write(groups: Sequence[Sequence[tuple[pathlib.Path, dict[str, Any]]]]) -> list[str]:
    """Averages results and writes each average into the folder that the runs share.

    Args:
        groups: for each Q a list of (path of the JSON, its contents), one for each run.

    Returns:
        Lines to print; none where there is one run.
    """
    lines = []
    for group in groups:
        if len(group) < 2:
            continue
        mean = of([summary for _, summary in group])
        folder = pathlib.Path(os.path.commonpath([path.resolve().parent.parent for path, _ in group]))
        network = "" if mean["main_network"] == "inception_i3d" else f"_{mean['main_network']}"
        crops = "" if mean["crops"] == 1 else f"_crops{mean['crops']}"
        path = folder / (
            f"average_{mean['method']}{network}_{mean['split']}_T{mean['num_frames']}"
            f"_Ts{mean['num_distilled_frames']}_clips{mean['clips']}{crops}.json"
        )
        files.write_json(path, mean)
        splits = mean["splits_of_ucf101"]
        of_splits = f" (splits {', '.join(map(str, splits))} of UCF101)" if splits else ""
        lines.append(
            f"Q={mean['clips']}, mean of {len(group)} runs{of_splits}: top-1 {mean['top1']:.1%} (standard deviation "
            f"{mean['top1_standard_deviation']:.1%}), top-5 {mean['top5']:.1%} -> {path}"
        )
    return lines


def _described(setting):
    dataset, method, main_network, num_frames, num_distilled_frames = setting
    return f"{method} with {main_network} on {dataset}, T={num_frames}, Ts={num_distilled_frames}"
