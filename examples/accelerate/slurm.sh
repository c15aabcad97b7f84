#!/bin/bash
# Trains on several machines under SLURM. What follows the script's name are arguments of train.py:
#
#     sbatch --nodes=4 examples/accelerate/slurm.sh --data_dir /shared/prepared --output_dir /shared/ggm
#
# Submitted in this repository's folder, with --output_dir on a file system that all machines share. When a machine
# fails, SLURM starts the job again, and the training goes on from its last checkpoint.
#SBATCH --job-name=ggm
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
MAIN_ADDRESS=${machines[0]}
# Jobs that share a machine must not meet at one port.
MAIN_PORT=$((20000 + SLURM_JOB_ID % 10000))
export MAIN_ADDRESS MAIN_PORT

# One launcher a machine, which starts a process for each of its GPUs. The numbers are read on each machine.
srun --kill-on-bad-exit=1 bash -c '
    exec accelerate launch --multi_gpu --num_machines "$SLURM_NNODES" --machine_rank "$SLURM_NODEID" \
        --num_processes "$((SLURM_NNODES * SLURM_GPUS_ON_NODE))" \
        --main_process_ip "$MAIN_ADDRESS" --main_process_port "$MAIN_PORT" \
        --mixed_precision bf16 --dynamo_backend no train.py "$@"
' train "$@"
