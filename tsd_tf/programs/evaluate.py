"""Tests a trained network on Q random clips of every video, probabilities averaged (Section 4.1).

    python evaluate.py --clips=10

takes the run whose checkpoint is the newest under runs/ (--workdir names another) and the shards of the run's data
folder. Prints top-1 and top-5 accuracy, and writes evaluation_<split>_T<T>_Ts<T_s>_clips<Q>.json into the work
directory: accuracies with standard errors, of every class too, and the bytes that a clip's frames take on their way.
The confusion matrix lies beside it (_confusion.csv, _confusion.png). --clips=1,3,10 gives all three from one pass over
the data, as in Table 3. Of UCF101, all splits that are trained are tested, and three are averaged:

    python evaluate.py --preset=ucf101 --clips=1

--weights=FILE.weights.h5 tests Keras weights, --export_dir=export the two exported halves with frames coded in between:

    python evaluate.py --export_dir=export --workdir=runs/kinetics400/tsd_T40_Ts10 --whole_clip \
        --codecs=h264:20,h264:24,h264:28,h264:32,jpeg:90,jpeg:50

gives top-1 over the bytes that travel, of distilled frames and of the whole clip by the same codecs, and what they take
at equal accuracy.

    python evaluate.py --workdir=runs/kinetics400/i3d_segments_tsn_bn_inception --Ts=25 --clips=1 --crops=10 --costs

is TSN's own test, 25 segments of ten crops, for the report's Table 1.
All visible GPUs share the work. python -m tsd_tf.evaluation.report turns results into the paper's tables.
"""

import dataclasses
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.engines import kinds
from tsd_tf.programs import command_line, engine_flags, run_flags
from tsd_tf.video.codec import CODECS

if TYPE_CHECKING:
    from tsd_tf.evaluation.coding import Coding
    from tsd_tf.evaluation.subject import Subject

FLAGS = flags.FLAGS

flags.DEFINE_list("clips", ["10"], "Q: clips a video; several numbers share one pass over the data")
flags.DEFINE_enum(
    "crops",
    "1",
    ["1", "10"],
    "crops of every clip, their probabilities averaged: 1, the centre; 10, the centre, the four corners, and the "
    "mirror image of each, as TSN and ARTNet are tested",
)
flags.DEFINE_bool(
    "costs",
    False,
    "also count parameters and multiply-accumulates, and time a clip (--timing_runs): the run then has a row in the "
    "report's Table 1",
)
flags.DEFINE_integer("timing_runs", 5, "with --costs: timed runs of each half, after one that warms up", 0)
flags.DEFINE_list(
    "workdir", None, "the run to test, or several, to be averaged (default: the newest under --runs_dir, see above)"
)
flags.DEFINE_string("checkpoint", "latest", "of a run: latest, best (on validation), or the number of its step")
flags.DEFINE_string(
    "weights", None, "test a .weights.h5 file: config.json lies beside it, or the flags below describe it"
)
flags.DEFINE_string(
    "export_dir", None, "test what tsd_tf.export wrote, on the data of --workdir, --preset or --data_dir"
)
flags.DEFINE_string("runs_dir", "runs", "folder of the default work directories")
flags.DEFINE_enum("preset", None, ["kinetics400", "ucf101", "sample", "custom"], "look for runs of this data set alone")
flags.DEFINE_string("data_dir", None, "folder of the TFRecord shards (default: the one the run was trained on)")
flags.DEFINE_string("split", None, "which shards (default: validate for kinetics400, test for the others)")
flags.DEFINE_integer("T", None, "frames of a clip: for --weights, or a run of --method=i3d, which takes any number")
flags.DEFINE_integer("Ts", None, "frames per clip that the main network sees, as --T")
run_flags.define_parts("with --weights and --preset: ")
flags.DEFINE_integer("crop_size", None, "with --weights and --preset: pixels of the square crop")
flags.DEFINE_enum("variant", "float32", ["float32", "float16", "int8"], "with --export_dir: the TFLite file")
engine_flags.define("with --export_dir: ", kinds.PRECISIONS[0])
flags.DEFINE_list(
    "codecs",
    ["jpeg"],
    "with --export_dir: how the frames travel, as in --codecs=h264:24,h264:28,jpeg, all tested in one pass; the first "
    f"gives the other results. Any of {', '.join(CODECS)}, at its default quality or another: JPEG and WebP from 1 to "
    "100, video codecs by their CRF, where 0 is the best",
)
flags.DEFINE_alias("codec", "codecs")
flags.DEFINE_bool("whole_clip", False, "with --export_dir: beside each of --codecs, whole clips sent by it")
flags.DEFINE_string(
    "uniform_workdir", None, "with --whole_clip: a run of --method=i3d_e, which answers to uniform frames of the clips"
)
flags.DEFINE_list(
    "qualities",
    ["90"],
    "JPEG qualities at which the bytes of distilled frames are measured; the first one is that of --codecs=jpeg",
)
flags.DEFINE_bool("dump", False, "also write the probabilities of every clip of every video, as a NumPy .npz")
flags.DEFINE_float("damaged_share", 0.0, "share of the records that may turn out damaged, and are left out", 0, 1)
flags.DEFINE_integer("batch_size", 4, "videos a replica and batch", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of the test clips", lower_bound=0)

_DESCRIBE_WEIGHTS = ("method", "selector", "main_network", "crop_size")
_DESCRIBE_EXPORT = ("variant", "codecs", "whole_clip", "engine", "precision")


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Tests what the flags say."""
    command_line.no_arguments(argv)
    clips = _numbers("clips", "positive integers, as in --clips=1,3,10", 1, 10**6)
    qualities = _numbers("qualities", "JPEG qualities from 1 to 100, as in --qualities=90,50", 1, 100)
    crops = int(FLAGS.crops)
    _refuse_ignored_flags()

    from tsd_tf.evaluation import average, evaluation
    from tsd_tf.reporting import accuracy_over_bytes

    subjects = _subjects(qualities[0])
    average.check(subjects)
    for subject in subjects:
        evaluation.prepare(subject, crops)
    results = []
    for subject in subjects:
        frames = f"T={subject.num_frames}, Ts={subject.num_distilled_frames}"
        print(f"Testing {subject.name} on {subject.split} of {subject.data_dir}: {frames}", flush=True)
        options = {"batch_size": FLAGS.batch_size, "seed": FLAGS.seed, "qualities": qualities, "dump": FLAGS.dump}
        options |= {"damaged_share": FLAGS.damaged_share, "crops": crops}
        options["timing_runs"] = FLAGS.timing_runs if FLAGS.costs else None
        results.append(evaluation.evaluate(subject, clips=clips, **options))
        for path, found in results[-1]:
            print(
                f"Q={found['clips']}: top-1 {found['top1']:.1%} (standard error {found['top1_standard_error']:.1%}), "
                f"top-5 {found['top5']:.1%}, {found['videos']} videos -> {path}"
            )
            if found.get("chosen_on_test_videos"):
                print("These weights were chosen on the very videos that they are tested on: the result is too high")
            for table in accuracy_over_bytes.tables(found.get("codings", [])):
                print(f"\n{table.markdown()}", end="")
    for line in average.write(list(zip(*results, strict=True))):
        print(line)


def _subjects(quality: int) -> "list[Subject]":
    """What the flags name."""
    from tsd_tf.data.shards import read_labels
    from tsd_tf.evaluation import subjects
    from tsd_tf.work_directory import WorkDirectory

    frames = {"num_frames": FLAGS.T, "num_distilled_frames": FLAGS.Ts}
    data = {"data_dir": FLAGS.data_dir, "split": FLAGS.split}
    if FLAGS.weights:
        described = {"main_network": FLAGS.main_network, "crop_size": FLAGS.crop_size}
        described["method"] = run_flags.method_from_flags()
        config = subjects.preset(FLAGS.preset, **described, **frames) if FLAGS.preset else None
        if config and FLAGS.preset == "custom":
            num_classes = len(read_labels(FLAGS.data_dir or config.data_dir))
            config = dataclasses.replace(config, num_classes=num_classes)
        return [subjects.of_weights(FLAGS.weights, config, **frames, **data)]
    if FLAGS.export_dir:
        config = subjects.preset(FLAGS.preset) if FLAGS.preset else None
        config = WorkDirectory(FLAGS.workdir[0]).config() if FLAGS.workdir else config
        sent = {"variant": FLAGS.variant, "codings": _codings(quality)}
        sent |= {"engine": FLAGS.engine, "precision": FLAGS.precision}
        sent["uniform_workdir"] = WorkDirectory(FLAGS.uniform_workdir) if FLAGS.uniform_workdir else None
        return [subjects.of_export(FLAGS.export_dir, config, **sent, **data)]
    if FLAGS.workdir:
        runs = list(map(WorkDirectory, FLAGS.workdir))
    else:
        runs = subjects.newest_runs(FLAGS.runs_dir, FLAGS.preset, with_splits=FLAGS.data_dir is None)
    return [subjects.of_run(run, checkpoint=FLAGS.checkpoint, **frames, **data) for run in runs]


def _codings(jpeg_quality: int) -> "list[Coding]":
    """What --codecs and what goes with it ask for."""
    from tsd_tf.evaluation import coding

    texts = [f"jpeg:{jpeg_quality}" if text == "jpeg" else text for text in FLAGS.codecs]
    if not texts:
        raise UserError("--codecs expects at least one codec; received none")
    if FLAGS.whole_clip and not FLAGS.uniform_workdir:
        print("I3D on uniform frames is left out: --uniform_workdir names no run of it")
    return coding.compared(list(map(coding.Coding.parse, texts)), FLAGS.whole_clip, FLAGS.uniform_workdir is not None)


def _refuse_ignored_flags() -> None:
    """UserError where a flag is given that would be ignored."""
    given = {name for name in FLAGS if FLAGS[name].present}
    sources = [name for name in ("weights", "export_dir", "workdir") if name in given]
    if "weights" in given and len(sources) > 1:
        raise UserError(f"expected one of --weights, --export_dir and --workdir, received --{' and --'.join(sources)}")
    needs = {name: {"weights", "preset"} for name in _DESCRIBE_WEIGHTS}
    needs |= {name: {"export_dir"} for name in _DESCRIBE_EXPORT}
    needs |= {"uniform_workdir": {"whole_clip"}, "timing_runs": {"costs"}}
    for name in sorted(given & set(needs)):
        if not needs[name] <= given:
            raise UserError(f"--{name} is for use with --{' and --'.join(sorted(needs[name]))}")
    if "checkpoint" in given and given & {"weights", "export_dir"}:
        raise UserError("--checkpoint is of a run: expected neither --weights nor --export_dir beside it")
    if {"export_dir", "costs"} <= given:
        raise UserError("--costs is of a Keras network: expected no --export_dir beside it")
    if "export_dir" in given and given & {"T", "Ts"}:
        raise UserError("an export has its T and T_s in it: expected neither --T nor --Ts")


def _numbers(flag: str, expected: str, low: int, high: int) -> list[int]:
    """The integers of a list flag, each once; UserError for anything else."""
    values: list[str] = getattr(FLAGS, flag)
    try:
        numbers = [int(value) for value in values]
        if not numbers or min(numbers) < low or max(numbers) > high:
            raise ValueError
    except ValueError as error:
        raise UserError(f"--{flag} expects {expected}; received {','.join(values)}") from error
    return list(dict.fromkeys(numbers))


if __name__ == "__main__":
    start()
