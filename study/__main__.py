"""The few-frame study: the paper's comparison of methods at small scale, on procedural videos.

    python -m study            (make study: all of it, some 2.5 hours on two cores)
    python -m study --quick    (make study-quick: one seed, 20 frames to 5, a quarter of an hour)

builds its data sets, and pretrains, trains and tests every cell with the project's own functions. It writes tables
(Markdown, CSV), pictures and all results (JSON) to docs/study. Everything else lies under runs/study and data/study.
If it is interrupted, the same command goes on where it was; finished cells are not run again. --report_only writes
tables and pictures from the existing JSON.
"""

import pathlib

from absl import flags

from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_bool("quick", False, "one seed, only 20 frames to 5, without the extras")
flags.DEFINE_string("output_dir", "docs/study", "folder for tables, pictures and JSON")
flags.DEFINE_string("runs_dir", "runs/study", "folder of the cells' work directories")
flags.DEFINE_string("data_dir", "data/study", "folder of the data sets")
flags.DEFINE_integer("workers", 2, "processes, one core and one thread each", lower_bound=1)
flags.DEFINE_bool("report_only", False, "run nothing")
flags.DEFINE_bool("list", False, "print the cells and their expected cost, and run nothing")


def main(argv):
    """Runs the study that the flags name."""
    command_line.no_arguments(argv)
    from study import grid, report, results, scheduler, settings

    study = settings.quick() if FLAGS.quick else settings.full()
    runs_dir, data_dir = pathlib.Path(FLAGS.runs_dir, study.name), pathlib.Path(FLAGS.data_dir)
    output_dir = pathlib.Path(FLAGS.output_dir, "quick") if FLAGS.quick else pathlib.Path(FLAGS.output_dir)
    cells = grid.cells(study, settings.tuned(), runs_dir, data_dir)
    if FLAGS.list:
        for cell in cells:
            print(f"{cell.cost:7.0f} s  {cell.group:12}  {cell.name}")
        print(f"{sum(cell.cost for cell in cells) / 3600:.2f} core hours in {len(cells)} cells")
        return
    if not FLAGS.report_only:
        scheduler.run(cells, runs_dir, FLAGS.workers)
        results.collect(cells, runs_dir, data_dir, study, settings.tuned(), FLAGS.workers, output_dir)
        report.write_example_frames(cells, runs_dir, output_dir)
    report.write(output_dir)
    print(f"Tables: {output_dir}/tables.md; pictures beside it")


def start():
    """Runs the program."""
    command_line.run(main)


if __name__ == "__main__":
    start()
