"""Trainings in two processes, of one machine or of two."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

import psutil
from training_samples import REPOSITORY

LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--mixed_precision=no", "--dynamo_backend=no")
# On CPUs, accelerate starts several processes of its own with `--multi_gpu` only (`--cpu` leaves that to an MPI
# launcher), or with one of its configurations.
STRATEGY = ("--multi_gpu",)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def train_in_two_processes(arguments, strategy=STRATEGY, script=REPOSITORY / "train.py"):
    """Runs `train.py`, or another script, with these command-line arguments."""
    launch = [*strategy, "--num_processes=2", "--num_machines=1", f"--main_process_port={free_port()}"]
    process = subprocess.Popen(
        [*LAUNCH, *launch, script, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=1200)
    finally:
        process.terminate()  # a request, on which it ends its processes too; no matter once it is done
    assert process.returncode == 0, output[-3000:]


class Machine:
    """
    One of two machines of a training, with a process of its own that `accelerate launch` starts.

    Args:
        rank (`int`): its rank.
        port (`int`): the one that both meet at.
        arguments (`list[str]`): of the script.
        log (`Path`): where its output goes.
        script (`list`, *optional*): the script, with arguments of its own.
    """

    def __init__(self, rank, port, arguments, log, script=(REPOSITORY / "train.py",)):
        self.log = log
        meeting = [f"--machine_rank={rank}", "--main_process_ip=127.0.0.1", f"--main_process_port={port}"]
        launch = [*STRATEGY, "--num_processes=2", "--num_machines=2", *meeting]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [*LAUNCH, *launch, *script, *arguments], env=environment(), stdout=output, stderr=subprocess.STDOUT
            )

    def wait(self):
        """Waits until it ends, and gives its exit status."""
        return self.process.wait(timeout=300)

    def kill(self):
        """Ends all of its processes as a power cut does."""
        try:
            launcher = psutil.Process(self.process.pid)
            family = [launcher, *launcher.children(recursive=True)]
        except psutil.NoSuchProcess:  # it has ended, and its processes before it
            family = []
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
