"""Trains a few-frame network on Kinetics (Sections 4.1 and 4.2 of the paper).

    python train_kinetics.py --T=40 --Ts=10

reads data/kinetics400/train-*, trains the main network first if there is none (I3D, 115k steps), then the client with
the main network frozen (stage 1, 50k steps), then both (stage 2, 90k steps), on all visible GPUs. That takes days on 8
of today's GPUs; a CPU is for trying things out (--max_steps, --preset=sample). Checkpoints, log.jsonl, config.json,
environment.json and labels.txt go to runs/kinetics400/tsd_T40_Ts10; the same command resumes an interrupted run.
python -m tfrecords.build_kinetics makes the shards; evaluate.py tests the result.

    python train_kinetics.py --preset=custom --data_dir=data/custom --kinetics_workdir=runs/kinetics400/tsd_T40_Ts10

trains on data of your own (docs/own_data.md), its classes taken from labels.txt: from a run on Kinetics as here, from
DeepMind's I3D (--i3d_checkpoint), or, without either, from nothing.

    python train_kinetics.py --T=40 --Ts=10 --learning_rate=tsd_stage2=0.005 --print_config > recipe.json
    python train_kinetics.py --config=recipe.json

writes the whole configuration down, and trains it (docs/recipes.md).

    python train_kinetics.py --preset=tsn

trains another network of Table 1 as its authors do: tsn, artnet, c3d or resnet3d_18 (docs/training.md).
"""

import pathlib

from absl import flags

from tsd_tf.config import PUBLISHED
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line, run_flags

FLAGS = flags.FLAGS

run_flags.define(["kinetics400", "sample", "custom", *PUBLISHED])
flags.DEFINE_string(
    "main_network_weights",
    None,
    "what the main network starts from: a work directory or a .weights.h5 file (default: the I3D run under "
    "--runs_dir, trained first if it does not exist)",
)
flags.DEFINE_string(
    "i3d_checkpoint",
    None,
    "prefix of one of DeepMind's TensorFlow checkpoints: with the data's classes it is the I3D to start from; with "
    "others I3D is first fine-tuned from it, its last layer new",
)
flags.DEFINE_string(
    "kinetics_workdir",
    None,
    "with --preset=custom: fine-tune from this run on Kinetics, as train_ucf101.py does, its last layer new",
)
flags.DEFINE_string(
    "inception_checkpoint", None, "prefix of TF-Slim's 2D Inception-v1, which is inflated to start I3D from"
)


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Trains what the flags say."""
    command_line.no_arguments(argv)
    preset, fine_tuned = run_flags.preset_from_flags(), "custom_fine_tuned"
    own = preset == "custom"
    source = FLAGS.kinetics_workdir
    if source and not own:
        raise UserError(f"--kinetics_workdir is for use with --preset=custom. Received: --preset={preset}")
    for name in ("main_network_weights", "i3d_checkpoint", "inception_checkpoint"):
        if source and FLAGS[name].value:
            raise UserError(f"expected one start, received --kinetics_workdir and --{name}")
    i3d_preset = fine_tuned if own and FLAGS.i3d_checkpoint else None
    config = run_flags.config_from_flags(
        preset_name=fine_tuned if source else i3d_preset if run_flags.run_method() == "i3d" else None
    )
    workdir = run_flags.workdir_from_flags(config)
    i3d_config = run_flags.config_from_flags("i3d", i3d_preset)
    if run_flags.is_only_printed(config, None if source else i3d_config):
        return

    from tsd_tf.training import recipe

    with run_flags.training(config, workdir) as options:
        if source:
            recipe.fine_tune(config, workdir, source, **options)
            return
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
