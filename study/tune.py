"""Chooses every method's settings on a validation split, from the same number of candidates for each.

    python -m study.tune

runs all CANDIDATES at T = 20 and T_s = 5 (I3D at 5) with the updates of the full study. It uses the data set of a seed
of its own, whose videos no cell of the study sees. It writes the candidates' scores on the validation splits to
docs/study/tuning.json, and each method's best candidate to study/tuned.json, which `python -m study` reads. It takes
about an hour on two cores. If it is interrupted, the same command goes on where it was.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from absl import flags

from study.cell import Cell, Test
from study.settings import METHODS, TUNED, Choice, Settings
from tsd_tf.contract import files
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output", "docs/study/tuning.json", "file for the scores")
flags.DEFINE_string("tuned", str(TUNED), "file for the choices")
flags.DEFINE_string("runs_dir", "runs/study", "folder of the cells' work directories")
flags.DEFINE_string("data_dir", "data/study", "folder of the data sets")
flags.DEFINE_integer("workers", 2, "processes, one core and one thread each", lower_bound=1)

SEEDS = (1000,)
_VIDEOS = 960
_LENGTH, _DISTILLED = 20, 5  # T and T_s

_CHOICES = tuple(Choice(rate) for rate in (0.0005, 0.001, 0.002))
CANDIDATES = dict.fromkeys(METHODS, _CHOICES)


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Runs the search."""
    command_line.no_arguments(argv)
    from study import results, scheduler, settings
    from study.run_cell import Folders

    study = dataclasses.replace(settings.full(), name="tuning", num_validate=_VIDEOS, num_test=12, early_threads=2)
    folders = Folders(pathlib.Path(FLAGS.runs_dir, study.name), pathlib.Path(FLAGS.data_dir, study.name))
    made = cells(study)
    scheduler.run(made, folders, FLAGS.workers)
    scores = score(results.finished(made, folders), study.clips)
    search = {"settings": dataclasses.asdict(study), "seeds": SEEDS, "scores": scores}
    files.write_json(FLAGS.output, search, indent=1)
    files.write_json(FLAGS.tuned, {"chosen_by": "python -m study.tune", **choose(scores)}, indent=1)
    for method, rows in scores.items():
        print(f"{method}: " + ", ".join(f"{row['validation_top1']:.1%}" for row in rows))
    print(f"Scores: {FLAGS.output}; choices: {FLAGS.tuned}")


def cells(settings: Settings) -> list[Cell]:
    """The cells of the search, tested on the validation split alone."""
    from study.grid import Grid

    grid, found = Grid(settings), []
    for seed in SEEDS:
        for method in METHODS:
            for number, candidate in enumerate(CANDIDATES[method]):
                length = _DISTILLED if method == "i3d" else _LENGTH
                options = {"group": "tuning", "name": f"{method}_{number}", "labels": {"candidate": number}}
                tests = [Test("validate", length, _DISTILLED, (settings.clips,))]
                found.append(grid.method(seed, method, length, _DISTILLED, choice=candidate, tests=tests, **options))
    return found


def score(results: Iterable[Mapping[str, Any]], clips: int) -> dict[str, list[dict[str, Any]]]:
    """{method: rows of tuning.json}: the candidates with their mean top-1 over the seeds.

    Args:
        results: those of the cells of all candidates and seeds, as study.run_cell writes them.
        clips: Q.
    """
    results = list(results)
    rows: dict[str, list[dict[str, Any]]] = {}
    for method in METHODS:
        rows[method] = []
        for number, candidate in enumerate(CANDIDATES[method]):
            mine = [one for one in results if (one["method"], one["candidate"]) == (method, number)]
            by_seed = {one["seed"]: one["tests"][0]["clips"][str(clips)]["top1"] for one in mine}
            rows[method].append(
                {
                    **dataclasses.asdict(candidate),
                    # Rounded, so that candidates with the same number of right answers are equal.
                    "validation_top1": round(sum(by_seed.values()) / len(by_seed), 9),
                    "by_seed": by_seed,
                    "updates": mine[0]["updates"],
                    "cpu_seconds": sum(one["cpu_seconds"] for one in mine),
                }
            )
    return rows


def choose(scores: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """{method: fields of Choice}: the candidate with the best validation score, or the first of several equal ones.

    Args:
        scores: {method: rows of tuning.json}.
    """
    fields = [field.name for field in dataclasses.fields(Choice)]
    best = {method: max(rows, key=lambda row: row["validation_top1"]) for method, rows in scores.items()}
    return {method: {name: row[name] for name in fields} for method, row in best.items()}


if __name__ == "__main__":
    start()
