"""Makes the paper's Tables 2, 3 and 4 and the curves of its Figure 3 from finished runs.

    python -m tsd_tf.evaluation.report runs

reads the evaluation_*.json that evaluate.py left in the folders named (work directories, or folders of them), prints
the tables, and writes report.md, table2.csv, table3.csv, table4.csv, figure3.csv and figure3.png into --output_dir, in
seconds. A cell without a run says "no run". Of several runs of one setting, as of several seeds, it gives the mean and
the standard deviation. --paper adds the paper's numbers, marked as the paper's.
"""

import pathlib

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "report", "folder of the report")
flags.DEFINE_string(
    "dataset", None, "data set of Tables 2 and 3 and of Figure 3a (default: the one of the runs, or kinetics400)"
)
flags.DEFINE_integer("clips", 3, "Q: clips a video in Table 2 and in Figure 3a", lower_bound=1)
flags.DEFINE_integer("quality", 90, "JPEG quality of the bytes transmitted", lower_bound=1, upper_bound=100)
flags.DEFINE_bool("paper", False, "add what the paper prints, marked as the paper's")


def main(argv):
    """Writes the report."""
    from tsd_tf.contract import files
    from tsd_tf.reporting import curve_picture, paper, rendering, results, tables

    if len(argv) < 2:
        raise UserError("expected folders of runs, as in python -m tsd_tf.evaluation.report runs; received none")
    found = results.read(argv[1:])
    dataset = FLAGS.dataset or _only_dataset(found) or tables.KINETICS
    second, third, fourth = (
        tables.table_2(found, dataset, FLAGS.clips),
        tables.table_3(found, dataset),
        tables.table_4(found),
    )
    curves = [
        tables.curve(found, dataset, FLAGS.clips),
        tables.curve(found, tables.UCF101, paper.TABLE_4_CLIPS),
    ]
    markdown = _markdown(found, dataset, second, third, fourth)
    folder = pathlib.Path(FLAGS.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make --output_dir={folder}: {error.strerror or error}") from error
    texts = {
        "table2.csv": rendering.to_csv(second, _with_paper(dataset)),
        "table3.csv": rendering.to_csv(third, _with_paper(dataset)),
        "table4.csv": rendering.to_csv(fourth, FLAGS.paper),
        "figure3.csv": rendering.to_csv(curves[0] + curves[1], False, FLAGS.quality),
    }
    if any(result.source == "export" for result in found):
        texts["exported.csv"] = rendering.exports_to_csv(found)
    for name, text in texts.items():
        files.write(folder / name, text)
    titles = (f"(a) {dataset}, {FLAGS.clips} clips", f"(b) UCF101 split 1, {paper.TABLE_4_CLIPS} clip")
    panels = [
        (title, entries, tables.papers_curve(entries_of) if FLAGS.paper else {})
        for title, entries, entries_of in zip(titles, curves, (dataset, tables.UCF101), strict=True)
    ]
    with files.whole_file(folder / "figure3.png") as file:
        curve_picture.draw(file, panels, FLAGS.quality)
    files.write(folder / "report.md", markdown)
    print(markdown, end="")
    print(f"\nWrote report.md, {', '.join(texts)} and figure3.png into {folder}")


def _only_dataset(found):
    """The data set of the runs where there is one beside UCF101."""
    datasets = {result.dataset for result in found} - {None, "ucf101"}
    return datasets.pop() if len(datasets) == 1 else None


def _with_paper(dataset):
    """Whether Tables 2 and 3 show the paper's numbers, which are Kinetics'."""
    return FLAGS.paper and dataset == "kinetics400"


def _markdown(found, dataset, second, third, fourth):
    from tsd_tf.reporting import rendering

    parts = [
        f"# Accuracies of {len(found)} evaluations",
        "Top-1 in percent. Of several runs of one setting: mean ± standard deviation over runs; the standard error of "
        "a single run is in the CSV files. Δ: points above I3D at the same T_s.",
        f"## Table 2: methods, {dataset}, {FLAGS.clips} clips",
        rendering.table_2(second, _with_paper(dataset)),
        f"## Table 3: effect of the number of clips, {dataset}",
        rendering.table_3(third, _with_paper(dataset)) if third else "no run",
        "## Table 4: UCF101, 1 clip",
        rendering.table_4(fourth, FLAGS.paper),
        "## Figure 3: accuracy over processed frames, and over bytes transmitted",
        "![Figure 3](figure3.png)",
        "Of several T at one T_s, the longest. Bars: as ± above, or of a single run its standard error.",
    ]
    if any(result.source == "export" for result in found):
        parts += ["## Exported halves: client, codec, cloud", rendering.exports(found)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def start():
    """Runs the program."""
    command_line.run(main, extra="train")


if __name__ == "__main__":
    start()
