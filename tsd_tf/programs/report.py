"""Makes the paper's Tables 1 to 4 and the curves of its Figure 3 from finished runs.

    python -m tsd_tf.evaluation.report runs

reads the evaluation_*.json that evaluate.py left in the folders named (work directories, or folders of them), prints
the tables, and writes report.md, table1.csv to table4.csv, figure3.csv and figure3.png into --output_dir, in seconds.
Table 1 has the counts and times of what was tested with evaluate.py --costs. Main networks other than I3D, and
selectors of one's own, have rows and columns beside the paper's; what belongs in no table is listed at the end.
Exported halves that were tested with several codecs (evaluate.py --codecs)
have their accuracy over bytes, and bytes at equal accuracy, in codings.csv, codings.png and equal_accuracy.csv. A cell
without a run says "no run". Of several runs of one setting, as of several seeds, it gives the mean and the standard
deviation. --paper adds the paper's numbers, marked as the paper's.
"""

import pathlib

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "report", "folder of the report")
flags.DEFINE_string(
    "dataset", None, "data set of Tables 1 to 3 and of Figure 3a (default: the one of the runs, or kinetics400)"
)
flags.DEFINE_integer("clips", 3, "Q: clips a video in Table 2 and in Figure 3a", lower_bound=1)
flags.DEFINE_integer("quality", 90, "JPEG quality of the bytes transmitted", lower_bound=1, upper_bound=100)
flags.DEFINE_bool("paper", False, "add what the paper prints, marked as the paper's")


@command_line.program(extra="train")
def start(argv: list[str]) -> None:
    """Writes the report."""
    from tsd_tf.contract import files
    from tsd_tf.reporting import bytes_picture, curve_picture, paper, rendering, results, tables

    if len(argv) < 2:
        raise UserError("expected folders of runs, as in python -m tsd_tf.evaluation.report runs; received none")
    found = results.read(argv[1:])
    dataset = FLAGS.dataset or _only_dataset(found) or tables.KINETICS
    with_paper = FLAGS.paper and dataset == tables.KINETICS  # the paper's Tables 2 and 3 are Kinetics'
    first = tables.table_1(found, dataset)
    second, third = tables.table_2(found, dataset, FLAGS.clips), tables.table_3(found, dataset)
    fourth = tables.table_4(found)
    curves = [
        (f"(a) {dataset}, {FLAGS.clips} clips", dataset, FLAGS.clips),
        (f"(b) UCF101 split 1, {paper.TABLE_4_CLIPS} clip", tables.UCF101, paper.TABLE_4_CLIPS),
    ]
    panels = [
        (title, tables.curve(found, name, clips), tables.papers_curve(name) if FLAGS.paper else {})
        for title, name, clips in curves
    ]
    points = [entry for _, entries, _ in panels for entry in entries]
    coded = [result for result in found if result.codings]
    others = [
        rendering.exports(found),
        rendering.codings(coded),
        rendering.equal_accuracy(coded),
        rendering.left_out(tables.left_out(found, [*first, *second, *third, *fourth, *points])),
    ]
    others = [table for table in others if table.rows]
    written = [
        *([rendering.table_1_in_full(first, with_paper)] if first else []),
        rendering.in_full("table2", second, with_paper),
        rendering.in_full("table3", third, with_paper),
        rendering.in_full("table4", fourth, FLAGS.paper),
        rendering.in_full("figure3", points, False, FLAGS.quality),
        *others,
    ]
    networks = {entry.main_network for entry in [*second, *third, *fourth, *points]}
    parts = [
        f"# Accuracies of {len(found)} evaluations",
        "Top-1 in percent. Of several runs of one setting: mean ± standard deviation over runs; the standard error of "
        "a single run is in the CSV files. Δ: points above I3D at the same T_s"
        + ("; of another main network, above that network alone." if len(networks) > 1 else "."),
        *([_section(rendering.table_1(first, dataset, with_paper))] if first else []),
        *map(_section, rendering.table_2(second, dataset, FLAGS.clips, with_paper)),
        _section(rendering.table_3(third, f"Table 3: effect of the number of clips, {dataset}", with_paper)),
        _section(rendering.table_4(fourth, "Table 4: UCF101, 1 clip", FLAGS.paper)),
        "## Figure 3: accuracy over processed frames, and over bytes transmitted",
        "![Figure 3](figure3.png)",
        "Of several T at one T_s, the longest. Bars: as ± above, or of a single run its standard error.",
        *filter(None, [rendering.note(entry.accuracy for entry in points)]),
        *(["## Accuracy over the bytes that travel", "![Accuracy over bytes](codings.png)"] if coded else []),
        *map(_section, others),
    ]
    markdown = "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
    folder = pathlib.Path(FLAGS.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make --output_dir={folder}: {error.strerror or error}") from error
    for table in written:
        files.write(folder / f"{table.name}.csv", table.csv())
    curve_picture.draw(folder / "figure3.png", panels, FLAGS.quality)
    if coded:
        bytes_picture.draw(folder / "codings.png", [(_title(result), result.codings) for result in coded])
    files.write(folder / "report.md", markdown)
    print(markdown, end="")
    pictures = ["figure3.png"] + ["codings.png"] * bool(coded)
    print(f"\nWrote report.md, {', '.join([*(f'{table.name}.csv' for table in written), *pictures])} into {folder}")


def _only_dataset(found):
    """The data set of the runs where there is one beside UCF101."""
    datasets = {result.dataset for result in found} - {None, "ucf101"}
    return datasets.pop() if len(datasets) == 1 else None


def _title(result):
    frames = f"{result.num_frames} to {result.num_distilled_frames} frames"
    return f"{result.path.parent} ({result.coding['variant']}), {frames}, {result.clips} clips, {result.videos} videos"


def _section(table):
    return table.markdown() if table.rows else f"## {table.title}\n\nno run"


if __name__ == "__main__":
    start()
