"""What --deterministic costs: seconds a training step, with and without TensorFlow's deterministic kernels, in pairs.

    python -m benchmarks.deterministic_step

Each measurement trains on random clips in a process of its own. The two kinds take turns. It takes about five minutes
on two idle cores.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from absl import flags

from tsd_tf.programs import command_line

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_integer("pairs", 3, "Measurements of each kind.", lower_bound=1)
flags.DEFINE_integer("steps", 10, "Steps in a measurement; the median counts.", lower_bound=1)
flags.DEFINE_string("measure", None, "For internal use: measure one kind and print its seconds.")


def _measure():
    """{stage: (seconds, seconds of processor time) a step} for the sample preset, with its own batch sizes."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tsd_tf.config import sample
    from tsd_tf.network_builder import build_network
    from tsd_tf.training.stages import stage_model
    from tsd_tf.training.train_step import make_train_step

    if FLAGS.measure == "deterministic":
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    config = sample()
    network = build_network(config)
    draw = np.random.default_rng(0)
    found = {}
    for stage in config.stages[1:]:
        trained = stage_model(stage, network, config)
        optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
        optimizer.build(list(trained.variables))
        step = make_train_step(trained, optimizer, config, tf.distribute.get_strategy(), stage.batch_size)
        shape = (stage.batch_size, trained.num_frames, config.crop_size, config.crop_size, 3)
        batch = {
            "frames": tf.constant(draw.integers(0, 256, shape, np.uint8)),
            "label": tf.constant(draw.integers(0, config.num_classes, stage.batch_size, np.int32)),
            "seed": tf.zeros((stage.batch_size, 2), tf.int32),
        }
        times = []
        for _ in range(FLAGS.steps + 1):
            start, start_of_processor = time.perf_counter(), time.process_time()
            float(step(batch)["loss"])
            times.append((time.perf_counter() - start, time.process_time() - start_of_processor))
        found[stage.name] = [statistics.median(one) for one in zip(*times[1:], strict=True)]
    return found


def main(argv):
    """Prints the medians."""
    command_line.no_arguments(argv)
    if FLAGS.measure:
        print(json.dumps(_measure()))
        return
    results = {"deterministic": [], "default": []}
    for _ in range(FLAGS.pairs):
        for kind, found in results.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.deterministic_step",
                f"--measure={kind}",
                f"--steps={FLAGS.steps}",
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    for stage in results["default"][0]:
        for place, what in enumerate(("seconds", "seconds of processor time")):
            one, other = (statistics.median(run[stage][place] for run in runs) for runs in results.values())
            print(f"{stage}: {one:.3f} {what} a step, {other:.3f} by default: {one / other - 1:+.1%}")


if __name__ == "__main__":
    command_line.run(main)
