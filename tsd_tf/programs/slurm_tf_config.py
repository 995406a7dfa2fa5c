"""Prints the TF_CONFIG of a task that srun has started, so that all tasks of the step train together.

    TF_CONFIG=$(python -m tsd_tf.programs.slurm_tf_config) python train_kinetics.py --T=40 --Ts=10

in each task, as deploy/slurm/train.sh does. It reads SLURM's variables and asks scontrol for the names of the nodes.
"""

import os

from absl import flags

from tsd_tf.programs import command_line

_PORT = flags.DEFINE_integer(
    "port", None, "port of the first task of each node (default: one that the number of the job gives)", 1, 65_000
)


@command_line.program()
def start(argv: list[str]) -> None:
    """Prints it."""
    command_line.no_arguments(argv)

    from tsd_tf.training import slurm

    print(slurm.tf_config(os.environ, slurm.hosts_of(os.environ), _PORT.value))


if __name__ == "__main__":
    start()
