"""Trainings in two processes."""

import os
import socket
import subprocess
import sys

from training_samples import REPOSITORY


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def train_in_two_processes(arguments, strategy=("--multi_gpu",), script=REPOSITORY / "train.py"):
    """
    Runs `train.py`, or another script, with these command-line arguments. On CPUs, accelerate starts several processes
    of its own with `--multi_gpu` only (`--cpu` leaves that to an MPI launcher), or with one of its configurations.
    """
    launch = [*strategy, "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", *launch, f"--main_process_port={free_port()}"),
            *(script, *arguments),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=1200)
    finally:
        process.terminate()  # a request, on which it ends its processes too; no matter once it is done
    assert process.returncode == 0, output[-3000:]
