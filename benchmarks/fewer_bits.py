"""How many bytes of h264 a training through a codec saves at equal accuracy (docs/training.md, --rate_weight).

    python -m benchmarks.fewer_bits --output_dir=fewer_bits

renders the procedural data set, trains the sample preset once a seed, its last stage for longer, and trains each of
these networks on for the same number of steps, without the codec and with it. Of several candidates, rate weight and
quality of the codec are those of the one that takes the fewest bytes on the validation split, with the first seed. Then
every network's distilled frames of the test split travel as h264 at several qualities, in time order, and are
recognised: top-1 over bytes, and the bytes at which both reach the same top-1, interpolated. It takes about an hour on
two cores; interrupted, the same command goes on where it was.
"""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import flags
from tqdm import tqdm

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", "fewer_bits", "Folder for data, runs and fewer_bits.json.")
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the trainings; the data are the same.")
flags.DEFINE_list("candidates", ["1:46"], "rate_weight:codec_quality of each candidate.")
flags.DEFINE_integer("longer", 1000, "Steps by which the sample preset's last stage is prolonged.", lower_bound=10)
flags.DEFINE_integer("steps", 300, "Steps of each training that goes on from there.", lower_bound=10)
flags.DEFINE_integer("max_steps", None, "Cut the sample preset's stages short to try the program out.", lower_bound=1)
flags.DEFINE_list("qualities", ["28", "36", "40", "44", "48", "51"], "CRFs at which frames travel.")
flags.DEFINE_integer("clips", 2, "Clips of each video.", lower_bound=1)
flags.DEFINE_integer("num_train", 3000, "Training videos.", lower_bound=12)
flags.DEFINE_integer("num_validate", 1500, "Validation videos.", lower_bound=6)
flags.DEFINE_integer("num_test", 1500, "Test videos.", lower_bound=6)

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_CODEC = "h264"
# What is compared: the whole request, the h264 stream in it, and what it takes beyond that of a clip of one grey.
_KINDS = ("bytes", "stream_bytes", "bytes_beyond_grey")
_POINTS_BELOW = (0.02, 0.04)  # further accuracies at which bytes are compared


@dataclasses.dataclass(frozen=True)
class Variant:
    """A training that goes on from the sample preset's; a rate weight of 0 is the one without the codec."""

    rate_weight: float = 0.0
    codec_quality: int = 24

    @property
    def name(self):
        return f"rate_{self.rate_weight:g}_quality_{self.codec_quality}" if self.rate_weight else "without"


def main(argv):
    """Runs the comparison."""
    command_line.no_arguments(argv)
    output = pathlib.Path(FLAGS.output_dir).resolve()
    seeds = [int(seed) for seed in FLAGS.seeds]
    candidates = [_candidate(text) for text in FLAGS.candidates]
    _build_data(output)
    without = Variant()
    chosen, validation = candidates[0], {}
    if len(candidates) > 1:
        curves = {variant: _curve(output, seeds[0], variant, "validate") for variant in (without, *candidates)}
        validation = {variant.name: _compared(curves[without], curves[variant]) for variant in candidates}
        chosen = min(candidates, key=lambda one: _rank(validation[one.name]))
    pairs = [[_curve(output, seed, variant, "test") for variant in (without, chosen)] for seed in seeds]
    mean = [_mean_curve(curves) for curves in zip(*pairs, strict=True)]
    found = {
        "machine": machine.describe(),
        "videos": {"train": FLAGS.num_train, "validate": FLAGS.num_validate, "test": FLAGS.num_test},
        "clips": FLAGS.clips,
        "steps": FLAGS.steps,
        "validation": validation,
        "chosen": dataclasses.asdict(chosen),
        "seeds": {
            seed: {"without": one, "with": other, "equal_accuracy": _compared(one, other)}
            for seed, (one, other) in zip(seeds, pairs, strict=True)
        },
        "mean": {"without": mean[0], "with": mean[1], "equal_accuracy": _compared(*mean)},
    }
    files.write_json(output / "fewer_bits.json", found)
    _print(found)


def _candidate(text):
    try:
        weight, quality = text.split(":")
        return Variant(float(weight), int(quality))
    except ValueError as error:
        raise UserError(f"expected --candidates as rate_weight:codec_quality,..., received {text}") from error


def _run(*command):
    if code := subprocess.run([sys.executable, *command], cwd=_ROOT).returncode:
        raise UserError(f"a command ended with exit code {code}: python {' '.join(command)}")


def _build_data(output):
    videos, shards = output / "videos", output / "shards"
    if not videos.exists():
        counts = [f"--num_{split}={FLAGS[f'num_{split}'].value}" for split in ("train", "validate", "test")]
        _run("-m", "tfrecords.build_sample", "--num_classes=6", f"--output_dir={videos}", *counts)
    for split in ("train", "trimmed", "validate", "test"):
        if not (shards / f"manifest-{split}.json").exists():
            paths = [f"--csv={videos / split}.csv", f"--videos_dir={videos / split}", f"--output_dir={shards}"]
            options = [f"--labels={videos / 'labels.txt'}", f"--split={split}", "--num_shards=4", "--short_side=64"]
            _run("-m", "tfrecords.build_kinetics", *paths, *options)


def _start(output, seed):
    """The work directory that both trainings of a seed go on from: the sample preset's network, trained for longer."""
    from tsd_tf.work_directory import WorkDirectory

    runs = output / f"seed{seed}"
    preset = WorkDirectory(runs / "sample/tsd_T20_Ts5")
    if not preset.finished():
        options = [f"--data_dir={output / 'shards'}", f"--runs_dir={runs}", f"--seed={seed}", "--validation_videos=0"]
        options += [f"--max_steps={FLAGS.max_steps}"] if FLAGS.max_steps else []
        _run("train_kinetics.py", "--preset=sample", *options)
    return _train_on(preset, WorkDirectory(runs / "longer"), FLAGS.longer, Variant())


def _train_on(start, run, steps, variant):
    """Trains the whole network of a work directory for some more steps, if `run` has not done so yet; returns `run`."""
    from tsd_tf.config import Stage
    from tsd_tf.training.trainer import Trainer
    from tsd_tf.training.validation import ValidationPlan
    from tsd_tf.weights.hdf5 import load_weights

    if not run.finished():
        end = dataclasses.asdict(start.config().stages[-1])
        stage = Stage(**{**end, "num_steps": steps, "boundaries": (round(0.6 * steps), round(0.85 * steps))})
        config = dataclasses.replace(start.config(), stages=(stage,), **dataclasses.asdict(variant))
        weights = start.checkpoint() / "network.weights.h5"
        print(f"Training {run.path}", flush=True)
        plan = ValidationPlan(num_videos=0)
        Trainer(run, config, lambda network: load_weights(network, weights), validation=plan).run()
    return run


def _curve(output, seed, variant, split):
    """Top-1 and bytes of a network at every quality, best first: a list of dicts; kept in its work directory."""
    from tsd_tf.work_directory import WorkDirectory

    path = output / f"seed{seed}" / variant.name
    run = _train_on(_start(output, seed), WorkDirectory(path), FLAGS.steps, variant)
    path /= f"curve_{split}.json"
    qualities = [int(quality) for quality in FLAGS.qualities]
    kept = json.loads(path.read_text()) if path.exists() else {}
    asked = {"qualities": qualities, "clips": FLAGS.clips}
    if kept.get("asked") != asked:
        kept = {"asked": asked, "curve": _measure(run, split, qualities)}
        files.write_json(path, kept)
    return kept["curve"]


def _measure(run, split, qualities):
    import tensorflow as tf

    from tsd_tf.data.evaluation_clips import EvaluationClips
    from tsd_tf.data.preprocessing import to_network_input, to_uint8
    from tsd_tf.data.records import Records
    from tsd_tf.data.shards import find_shards
    from tsd_tf.evaluation import metrics
    from tsd_tf.video.clip_coding import time_order

    config, network = run.config(), run.load_network()
    shape = (config.num_distilled_frames, config.crop_size, config.crop_size)

    @tf.function(jit_compile=False)
    def client(frames):
        inputs = to_network_input(frames)
        matrix = network.transformation_matrix(inputs, training=False)
        return to_uint8(network.frame_distillation(inputs, matrix)), matrix

    @tf.function(jit_compile=False)
    def cloud(frames):
        return tf.nn.softmax(network.cloud(to_network_input(frames), training=False))

    sizes = {quality: [] for quality in (None, *qualities)}
    probabilities, labels = {quality: [] for quality in sizes}, []
    records = Records(find_shards(config.data_dir, split))
    clips = EvaluationClips(records, config.clip_spec, num_clips=FLAGS.clips, batch_size=20, seed=0)
    with clips as batches, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for batch in tqdm(batches, desc=f"{run.path.name} on {split}", unit="batch"):
            frames, matrices = client(tf.reshape(batch["frames"], (-1, *batch["frames"].shape[2:])))
            pairs = list(zip(frames.numpy(), matrices.numpy(), strict=True))
            labels.append(batch["label"].numpy())
            for quality, measured in sizes.items():
                sent = [pool.submit(_travel, clip, time_order(matrix), quality, shape) for clip, matrix in pairs]
                arrived, found = zip(*(one.result() for one in sent), strict=True)
                answers = cloud(tf.constant(np.stack(arrived))).numpy()
                measured += found
                probabilities[quality].append(answers.reshape(-1, FLAGS.clips, answers.shape[-1]).mean(axis=1))
    labels = np.concatenate(labels)
    grey, order = np.full((*shape, 3), 128, np.uint8), np.arange(shape[0])
    rows = []
    for quality, measured in sizes.items():
        correct = metrics.top_k_correct(np.concatenate(probabilities[quality]), labels, 1)
        top1, error = metrics.mean_and_standard_error(correct)
        request, stream = np.mean(measured, axis=0).tolist()
        beyond = request - _travel(grey, order, quality, shape)[1][0]
        rows.append({"quality": quality, "top1": top1, "top1_standard_error": error})
        rows[-1] |= dict(zip(_KINDS, (request, stream, beyond), strict=True))
    return rows


def _travel(clip, order, quality, shape):
    """A clip of distilled frames as it arrives, and the bytes of its request and its stream; None loses nothing."""
    from tsd_tf.contract import signatures
    from tsd_tf.video import codec

    if quality is None:
        return clip, (codec.encode(clip, "raw").num_bytes, clip.nbytes)
    sent = codec.encode(clip, _CODEC, quality, order=order)
    packets = sent.inputs[signatures.PACKETS][0]
    return codec.decode_inputs(sent.inputs, shape)[0], (sent.num_bytes, sum(map(len, packets)))


def _mean_curve(curves):
    """The mean of the curves of several seeds, point by point."""
    return [
        {
            name: None if points[0][name] is None else float(np.mean([point[name] for point in points]))
            for name in points[0]
        }
        for points in zip(*curves, strict=True)
    ]


def bytes_at(curve, top1, kind):
    """The bytes at which a curve reaches a top-1, interpolated on a logarithmic scale; None where it does not.

    More bytes are never worse: where they seem so, it is the noise of the test, and neighbours are averaged (isotonic
    regression). A curve that is better than `top1` all along gives the bytes of its cheapest point, which is too many.

    Args:
        curve: [{"quality", "top1", kind: bytes, ...}, ...]; the point of quality None is left out.
        top1: a share.
        kind: of bytes, one of _KINDS.
    """
    sizes, heights = _never_falling(curve, kind)
    if top1 > heights[-1]:
        return None
    place = int(np.argmax(heights >= top1))
    if place == 0:
        return float(sizes[0])
    share = (top1 - heights[place - 1]) / (heights[place] - heights[place - 1])
    return float(sizes[place - 1] ** (1 - share) * sizes[place] ** share)


def _never_falling(curve, kind):
    from sklearn.isotonic import isotonic_regression

    points = sorted((one for one in curve if one["quality"] is not None), key=lambda one: one[kind])
    return np.array([one[kind] for one in points]), isotonic_regression([one["top1"] for one in points])


def _compared(without, with_codec):
    """Bytes of both at the same top-1: one standard error below that of `without` if nothing is lost, then lower."""
    uncoded = next(one for one in without if one["quality"] is None)
    rows = []
    for below in (uncoded["top1_standard_error"], *_POINTS_BELOW):
        top1 = uncoded["top1"] - below
        row = {"top1": top1}
        for kind in _KINDS:
            one, other = (bytes_at(curve, top1, kind) for curve in (without, with_codec))
            comparable = one and other and top1 >= _never_falling(without, kind)[1][0]
            row[kind] = {"without": one, "with": other, "saved": 1 - other / one if comparable else None}
        rows.append(row)
    return rows


def _rank(compared):
    """What a candidate is chosen by: bytes at the same top-1, more where it is not reached."""
    return compared[0]["bytes"]["with"] or float("inf")


def _print(found):
    chosen = Variant(**found["chosen"])
    how = "chosen on the validation split" if found["validation"] else "with"
    print(f"\n{how}: --rate_weight={chosen.rate_weight:g} --codec_quality={chosen.codec_quality}")
    print("\ncrf    without: bytes, top-1    with: bytes, top-1 (means over seeds)")
    for one, other in zip(found["mean"]["without"], found["mean"]["with"], strict=True):
        name = "raw" if one["quality"] is None else f"{one['quality']:.0f}"
        print(f"{name:>4} {one['bytes']:12,.0f} {one['top1']:8.1%} {other['bytes']:14,.0f} {other['top1']:8.1%}")
    print("\nat equal top-1: bytes without, with, saved; of the request, of the stream, beyond a clip of one grey")
    seeds = {
        **{seed: one["equal_accuracy"] for seed, one in found["seeds"].items()},
        "mean": found["mean"]["equal_accuracy"],
    }
    for seed, rows in seeds.items():
        for row in rows:
            print(f"seed {seed:>4} {row['top1']:6.1%}", *(_cells(row[kind]) for kind in _KINDS), sep=" | ")


def _cells(row):
    if row["saved"] is None:
        return f"{'not reached':>20}"
    return f"{row['without']:5,.0f} {row['with']:5,.0f} {row['saved']:8.1%}"


if __name__ == "__main__":
    command_line.run(main)
