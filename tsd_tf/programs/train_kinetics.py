"""Trains a few-frame network on Kinetics (Sections 4.1 and 4.2 of the paper).

    python train_kinetics.py --T=40 --Ts=10

reads data/kinetics400/train-*, trains the main network first if there is none (I3D, 115k steps), then the client with
the main network frozen (stage 1, 50k steps), then both (stage 2, 90k steps), on all visible GPUs. That takes days on 8
of today's GPUs; a CPU is for trying things out (--max_steps, --preset=sample). Checkpoints, log.jsonl, config.json,
environment.json and labels.txt go to runs/kinetics400/tsd_T40_Ts10; the same command resumes an interrupted run.
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
    "what the main network starts from: a work directory or a .weights.h5 file (default: the I3D run under "
    "--runs_dir, trained first if it does not exist)",
)
flags.DEFINE_string("i3d_checkpoint", None, "prefix of one of DeepMind's TensorFlow checkpoints to start I3D from")
flags.DEFINE_string(
    "inception_checkpoint", None, "prefix of TF-Slim's 2D Inception-v1, which is inflated to start I3D from"
)


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Trains what the flags say."""
    command_line.no_arguments(argv)
    config = run_flags.config_from_flags()
    workdir = run_flags.workdir_from_flags(config)
    i3d_config = run_flags.config_from_flags("i3d")

    from tsd_tf.training import recipe

    with run_flags.training(config, workdir) as options:
        recipe.train_on_kinetics(
            config,
            workdir,
            i3d_config=i3d_config,
            i3d_workdir=pathlib.Path(FLAGS.runs_dir, i3d_config.dataset, i3d_config.run_name),
            main_network_weights=FLAGS.main_network_weights,
            i3d_checkpoint=FLAGS.i3d_checkpoint,
            inception_checkpoint=FLAGS.inception_checkpoint,
            **options,
        )


if __name__ == "__main__":
    start()
