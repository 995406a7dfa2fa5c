"""Trains a few-frame network on Kinetics (Sections 4.1 and 4.2 of the paper).

    python train_kinetics.py --T=40 --Ts=10

reads data/kinetics400/train-*, trains the main network first if there is none (I3D, 115k steps), then the client with
the main network frozen (stage 1, 50k steps), then both (stage 2, 90k steps), on all GPUs that are visible; on 8 GPUs
of today count in days, on CPU it is for trying things out (--max_steps, --preset=sample). It leaves checkpoints,
log.jsonl, config.json, environment.json and labels.txt in runs/kinetics400/tsd_T40_Ts10; the same command resumes an
interrupted run.
python -m tfrecords.build_kinetics makes the shards; evaluate.py tests the result.
"""

import pathlib

from absl import flags

from tsd_tf.programs import command_line, run_flags

FLAGS = flags.FLAGS

run_flags.define(["kinetics400", "sample"])
flags.DEFINE_string(
    "main_network_weights",
    None,
    "where the main network starts: a work directory or a .weights.h5 file (default: the I3D run under --runs_dir, "
    "trained first if it is not there)",
)
flags.DEFINE_string("i3d_checkpoint", None, "prefix of one of DeepMind's TensorFlow checkpoints to start I3D from")
flags.DEFINE_string(
    "inception_checkpoint", None, "prefix of TF-Slim's 2D Inception-v1, inflated to start the training of I3D from"
)


def main(argv):
    """Trains what the flags say."""
    command_line.no_arguments(argv)
    config = run_flags.config_from_flags()
    workdir = run_flags.workdir_from_flags(config)
    i3d_config = run_flags.config_from_flags("i3d")

    from tsd_tf.training import recipe

    cluster = run_flags.cluster_from_flags()
    with cluster.watched():
        recipe.train_on_kinetics(
            config,
            workdir,
            i3d_config=i3d_config,
            i3d_workdir=pathlib.Path(FLAGS.runs_dir, i3d_config.dataset, i3d_config.run_name),
            main_network_weights=FLAGS.main_network_weights,
            i3d_checkpoint=FLAGS.i3d_checkpoint,
            inception_checkpoint=FLAGS.inception_checkpoint,
            cluster=cluster,
            **run_flags.trainer_options_from_flags(),
        )
    if cluster.is_chief:
        print(f"Trained {config.run_name}: {workdir}")


def start():
    """Runs the program."""
    command_line.run(main, extra="train", backends=("tensorflow",))


if __name__ == "__main__":
    start()
