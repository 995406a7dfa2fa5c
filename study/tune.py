"""Chooses every method's settings on a validation split, from the same number of candidates for each.

    python -m study.tune

runs all CANDIDATES at T = 20 and T_s = 5 (I3D at 5) with the updates of the full study. It uses the data sets of two
seeds of its own, whose videos no cell of the study sees. It writes the candidates' scores on the validation splits to
docs/study/tuning.json, and each method's best candidate to study/tuned.json, which `python -m study` reads. It takes
more than an hour on two cores. If it is interrupted, the same command goes on where it was.
"""

import dataclasses
import json
import pathlib

from absl import flags

from study.settings import METHODS, Choice
from tsd_tf.contract import files
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output", "docs/study/tuning.json", "file for the scores")
flags.DEFINE_string("tuned", str(pathlib.Path(__file__).with_name("tuned.json")), "file for the choices")
flags.DEFINE_string("runs_dir", "runs/study", "folder of the cells' work directories")
flags.DEFINE_string("data_dir", "data/study", "folder of the data sets")
flags.DEFINE_integer("workers", 2, "processes, one core and one thread each", lower_bound=1)

# Two seeds, because what everything starts from differs between seeds by more than two candidates differ.
SEEDS = (1000, 1001)
_VIDEOS = 960


def _sampling(*adam_rates):
    """For methods that only pick frames: the paper's SGD, and Adam at four rates."""
    adam = (Choice(learning_rate=rate, optimizer="adam") for rate in adam_rates)
    return (Choice(learning_rate=0.01, optimizer="sgd"), *adam)


def _tsd(client_rate, rate):
    """Stage 1 with Adam, which needs no bound on the gradient."""
    return Choice(
        learning_rate=rate,
        optimizer="adam",
        client_learning_rate=client_rate,
        client_optimizer="adam",
        client_gradient_clip_norm=None,
    )


CANDIDATES = {
    # On clips of 20 frames, as the paper trains it on 64, or on clips of the length that it is tested with.
    "i3d": (
        Choice(learning_rate=0.01, optimizer="sgd", train_frames=20),
        Choice(learning_rate=0.0005, optimizer="adam", train_frames=20),
        Choice(learning_rate=0.01, optimizer="sgd"),
        Choice(learning_rate=0.00025, optimizer="adam"),
        Choice(learning_rate=0.0005, optimizer="adam"),
    ),
    "i3d_r": _sampling(0.00025, 0.0005, 0.001, 0.002),
    "i3d_e": _sampling(0.00025, 0.0005, 0.001, 0.002),
    # It learns with weighted frames, and takes higher rates.
    "i3d_a": _sampling(0.0005, 0.001, 0.002, 0.004),
    "tsd": (_tsd(0.0005, 0.0005), _tsd(0.001, 0.0005), _tsd(0.001, 0.001), _tsd(0.002, 0.0005), _tsd(0.002, 0.001)),
}


def main(argv):
    """Runs the search."""
    command_line.no_arguments(argv)
    from study import scheduler, settings
    from study.run_cell import result_path

    study = dataclasses.replace(settings.full(), name="tuning", num_validate=_VIDEOS, num_test=12)
    runs_dir = pathlib.Path(FLAGS.runs_dir, study.name)
    made = cells(study, runs_dir, FLAGS.data_dir)
    scheduler.run(made, runs_dir, FLAGS.workers)
    found = [json.loads(result_path(runs_dir, cell.name).read_text()) for cell in made if cell.group == "tuning"]
    scores = score(found, study.clips)
    search = {"settings": dataclasses.asdict(study), "seeds": SEEDS, "scores": scores}
    files.write_json(FLAGS.output, search, indent=1)
    files.write_json(FLAGS.tuned, {"chosen_by": "python -m study.tune", **choose(scores)}, indent=1)
    for method, rows in scores.items():
        print(f"{method}: " + ", ".join(f"{row['validation_top1']:.1%}" for row in rows))
    print(f"Scores: {FLAGS.output}; choices: {FLAGS.tuned}")


def cells(settings, runs_dir, data_dir):
    """The cells of the search, tested on the validation split.

    Args:
        settings: study.settings.Settings.
        runs_dir, data_dir: folders of work directories and data sets.
    """
    from study.grid import Grid

    grid = Grid(settings, {method: Choice() for method in METHODS}, runs_dir, data_dir, split="validate")
    found = []
    for seed in SEEDS:
        found += [grid.data_cell(seed), grid.coarse_cell(seed), grid.pretrained_cell(seed)]
        for method in METHODS:
            for number, candidate in enumerate(CANDIDATES[method]):
                length, labels = 5 if method == "i3d" else 20, {"candidate": number}
                options = {"group": "tuning", "name": f"{method}_{number}", "choice": candidate, "labels": labels}
                found.append(grid.method_cell(seed, method, length, 5, **options))
    return found


def score(results, clips):
    """{method: rows of tuning.json}: the candidates with their mean top-1 over the seeds.

    Args:
        results: results of the cells of all candidates and seeds, as study.run_cell writes them.
        clips: Q.
    """
    rows = {}
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
                    "main_network_updates": mine[0]["main_network_updates"],
                    "cpu_seconds": sum(one["cpu_seconds"] for one in mine),
                }
            )
    return rows


def choose(scores):
    """{method: fields of Choice}: the candidate with the best validation score, or the first of several equal ones.

    Args:
        scores: {method: rows of tuning.json}.
    """
    fields = [field.name for field in dataclasses.fields(Choice)]
    best = {method: max(rows, key=lambda row: row["validation_top1"]) for method, rows in scores.items()}
    return {method: {name: row[name] for name in fields} for method, row in best.items()}


def start():
    """Runs the program."""
    command_line.run(main)


if __name__ == "__main__":
    start()
