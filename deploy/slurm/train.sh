#!/bin/bash
# One run on several nodes, a task with all GPUs on each:
#
#     sbatch --nodes=4 deploy/slurm/train.sh --config=recipe.json --scale_learning_rate
#
# What stands behind the script goes to train_kinetics.py. A job that was ended goes on from its last checkpoint when it
# is submitted again. The nodes need the same shards, under one path; the first one writes the work directory.
#SBATCH --job-name=tsd
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=2-00:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail

# srun takes the CPUs of a task no longer from SLURM_CPUS_PER_TASK (Slurm 22.05).
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
srun --kill-on-bad-exit=1 bash -c '
  set -eu
  TF_CONFIG=$(python -m tsd_tf.programs.slurm_tf_config)
  export TF_CONFIG
  exec python train_kinetics.py "$@"
' train "$@"
