#!/bin/bash
# A sweep: every recipe of a folder is a task of an array, on a node of its own; at most four run at a time.
#
#     sbatch --array=0-$(($(ls recipes/*.json | wc -l) - 1))%4 deploy/slurm/sweep.sh recipes --method=tsd
#
# What stands behind the folder goes to train_kinetics.py for each of them. The work directories are named after the
# recipes.
#SBATCH --job-name=tsd-sweep
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=1-00:00:00
#SBATCH --output=%x-%A_%a.log
set -euo pipefail

folder=$1
shift
recipes=("$folder"/*.json)
recipe=${recipes[$SLURM_ARRAY_TASK_ID]}
name=$(basename "$recipe" .json)
exec python train_kinetics.py --config="$recipe" --workdir="runs/$(basename "$folder")/$name" "$@"
