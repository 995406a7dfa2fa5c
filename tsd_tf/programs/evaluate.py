"""Tests a trained network on Q random clips of every video, probabilities averaged (Section 4.1).

    python evaluate.py --clips=10

takes the run whose checkpoint is the newest under runs/ (--workdir names another) and the shards of the run's data
folder. Prints top-1 and top-5 accuracy, and writes evaluation_<split>_clips<Q>.json into the work directory.
--clips=1,3,10 gives all three from one pass over the data, as in Table 3.
"""

import dataclasses
import json
import pathlib

from absl import flags
from tqdm import tqdm

from tsd_tf import command_line
from tsd_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_list("clips", ["10"], "Q: clips a video; several numbers share one pass over the data")
flags.DEFINE_string("workdir", None, "the run to test (default: the one with the newest checkpoint under --runs_dir)")
flags.DEFINE_string("runs_dir", "runs", "folder of the default work directories")
flags.DEFINE_enum("preset", None, ["kinetics400", "ucf101", "sample"], "look only for runs of this data set")
flags.DEFINE_string("data_dir", None, "folder of the TFRecord shards (default: the one the run was trained on)")
flags.DEFINE_string("split", None, "which shards (default: validate for kinetics400, test for ucf101 and sample)")
flags.DEFINE_integer("T", None, "frames of a clip, for a run of --method=i3d, which takes any number")
flags.DEFINE_integer("Ts", None, "frames per clip that the main network sees, for a run of --method=i3d")
flags.DEFINE_integer("batch_size", 4, "videos a batch", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of the test clips")


def main(argv):
    """Tests what the flags say."""
    command_line.no_arguments(argv)
    clips = _clip_counts(FLAGS.clips)

    from tsd_tf import work_directory
    from tsd_tf.data import pipeline
    from tsd_tf.evaluation import protocol

    run = (
        work_directory.WorkDirectory(FLAGS.workdir)
        if FLAGS.workdir
        else work_directory.latest(FLAGS.runs_dir, FLAGS.preset or "*")
    )
    config = _with_frame_counts(run.config(), FLAGS.T, FLAGS.Ts)
    data_dir, split = FLAGS.data_dir or config.data_dir, FLAGS.split or config.evaluation_split
    shards = pipeline.find_shards(data_dir, split)
    labels = pipeline.read_labels(data_dir)
    if labels != run.labels():
        raise UserError(
            f"the class list of {data_dir} ({len(labels)} classes) is not the one that {run.path} was trained with "
            f"({len(run.labels())} classes); name the right --data_dir or --workdir"
        )
    network = run.load_network(config)
    print(f"Testing {run.path} on {split} of {data_dir}: T={config.num_frames}, Ts={config.num_distilled_frames}")
    batches = pipeline.evaluation_clips(
        shards,
        num_frames=config.num_frames,
        num_clips=max(clips),
        crop_size=config.crop_size,
        num_classes=config.num_classes,
        batch_size=FLAGS.batch_size,
        seed=FLAGS.seed,
    )
    with tqdm(total=sum(pipeline.count_records(shards)), desc="evaluate", unit="video", mininterval=1.0) as bar:
        predictions = protocol.predict(network, _shown(pipeline.checked(batches, shards), bar))
    for count in clips:
        summary = {
            **predictions.summary(count),
            "workdir": str(run.path),
            "split": split,
            "method": config.method,
            "num_frames": config.num_frames,
            "num_distilled_frames": config.num_distilled_frames,
            "seed": FLAGS.seed,
        }
        path = run.path / f"evaluation_{split}_T{config.num_frames}_Ts{config.num_distilled_frames}_clips{count}.json"
        _write(path, json.dumps(summary, indent=2) + "\n")
        print(
            f"Q={count}: top-1 {summary['top1']:.1%} (standard error {summary['top1_standard_error']:.1%}), "
            f"top-5 {summary['top5']:.1%}, {summary['videos']} videos -> {path}"
        )


def _shown(batches, bar):
    for batch in batches:
        yield batch
        bar.update(len(batch["label"]))


def _clip_counts(values):
    try:
        counts = [int(value) for value in values]
    except ValueError as error:
        raise UserError(
            f"--clips expects positive integers, as in --clips=1,3,10; received {','.join(values)}"
        ) from error
    if not counts or min(counts) < 1:
        raise UserError(f"--clips expects positive integers, as in --clips=1,3,10; received {','.join(values)}")
    return counts


def _with_frame_counts(config, num_frames, num_distilled_frames):
    """The run's configuration at other frame counts, which only a network trained as plain I3D allows."""
    if num_frames is None and num_distilled_frames is None:
        return config
    num_frames = num_frames or num_distilled_frames
    num_distilled_frames = num_distilled_frames or num_frames
    asked = (num_frames, num_distilled_frames)
    if config.method != "i3d" and asked != (config.num_frames, config.num_distilled_frames):
        raise UserError(
            f"this run was trained with --T={config.num_frames} --Ts={config.num_distilled_frames}; received "
            f"--T={num_frames} --Ts={num_distilled_frames}. Name the run of these with --workdir"
        )
    try:
        return dataclasses.replace(config, num_frames=num_frames, num_distilled_frames=num_distilled_frames)
    except ValueError as error:
        raise UserError(str(error)) from error


def _write(path, text):
    partial = pathlib.Path(f"{path}.partial")
    try:
        partial.write_text(text)
        partial.rename(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def start():
    """Runs the program."""
    command_line.run(main)


if __name__ == "__main__":
    start()
