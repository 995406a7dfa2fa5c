"""The few-frame study: the paper's comparison of methods at small scale, on rendered human actions.

    python -m study            (make study: all of it, some hours on two cores)
    python -m study --quick    (make study-quick: one seed, 20 frames to 5, a quarter of an hour)

builds its data sets, and pretrains, trains and tests every cell with the project's own functions. It writes tables
(Markdown, CSV), pictures and all results (JSON) to docs/study. Everything else lies under runs/study and data/study.
If it is interrupted, the same command goes on where it was; what results.json has already is not run again.

    python -m study --seeds=0              (one seed now, the others later)
    python -m study --groups=table2,map    (two parts now, the others later)
    python -m study --join=other/docs      (and the results.json of another machine)

--report_only writes tables and pictures of whatever results.json has.
"""

import pathlib
import shutil

from absl import flags

from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_bool("quick", False, "one seed, only 20 frames to 5, without the extras")
flags.DEFINE_list("seeds", None, "run these seeds alone (default: all of the study)")
flags.DEFINE_list("groups", None, "run these parts alone, for example table2,bytes (default: all of the study)")
flags.DEFINE_list("join", [], "folders with a results.json of the same study, from other machines, to be added")
flags.DEFINE_bool("rerun", False, "forget what is there of these seeds and parts, and run it anew")
flags.DEFINE_string("output_dir", "docs/study", "folder for tables, pictures and JSON")
flags.DEFINE_string("runs_dir", "runs/study", "folder of the cells' work directories")
flags.DEFINE_string("data_dir", "data/study", "folder of the data sets")
flags.DEFINE_integer("workers", 2, "processes, one core and one thread each", lower_bound=1)
flags.DEFINE_bool("report_only", False, "run nothing")
flags.DEFINE_bool("list", False, "print the cells that are missing and their expected cost, and run nothing")


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Runs the study that the flags name."""
    command_line.no_arguments(argv)
    from study import grid, report, results, scheduler, settings
    from study.cell import with_starts
    from study.run_cell import Folders

    sizes = settings.quick() if FLAGS.quick else settings.full()
    folders = Folders(pathlib.Path(FLAGS.runs_dir, sizes.name), pathlib.Path(FLAGS.data_dir, sizes.name))
    output_dir = pathlib.Path(FLAGS.output_dir, "quick") if FLAGS.quick else pathlib.Path(FLAGS.output_dir)
    if FLAGS.report_only:
        report.write(output_dir)
        return
    cells, seeds = grid.cells(sizes), sizes.chosen_seeds(FLAGS.seeds)
    study = with_starts(cells)
    chosen = [cell for cell in grid.of_groups(cells, FLAGS.groups) if cell.seed in seeds]
    if FLAGS.rerun and not FLAGS.list:
        results.forget(output_dir, with_starts(chosen))
        for cell in with_starts(chosen):
            shutil.rmtree(folders.runs / cell.name, ignore_errors=True)
    for folder in FLAGS.join:
        results.merge(output_dir, study, results.held(folder, study).values(), sizes)
    held = results.held(output_dir, study)
    missing = [cell for cell in chosen if cell.name not in held]
    if FLAGS.list:
        costs = scheduler.unfinished(missing, folders).values()
        for cell in costs:
            print(f"{cell.cost:7.0f} s  {cell.group:12}  {cell.name}")
        print(f"{sum(cell.cost for cell in costs) / 3600:.2f} core hours in {len(costs)} cells")
        return
    try:
        scheduler.run(missing, folders, FLAGS.workers)
    finally:
        results.merge(output_dir, study, results.finished(with_starts(missing), folders), sizes)
    report.write_example_frames(cells, folders, output_dir)
    report.write(output_dir)
    print(f"Tables: {output_dir}/tables.md; pictures beside it")


if __name__ == "__main__":
    start()
