"""The job for SLURM, with stand-ins for what SLURM and accelerate would run."""

import os
import subprocess

from accelerate.commands.launch import launch_command_parser
from training_samples import REPOSITORY

SCRIPT = REPOSITORY / "examples" / "accelerate" / "slurm.sh"
STAND_INS = {
    "scontrol": 'test "$*" = "show hostnames node[7-8]" && printf "node7\\nnode8\\n"',
    "srun": 'shift; for node in 0 1; do SLURM_NODEID=$node "$@"; done',
    "accelerate": 'shift; printf "%s\\n" "$@" "(end)"',
}
JOB = {"SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_ID": "123456", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "8"}


def test_each_machine_launches_its_part(tmp_path):
    """Would fail if machines did not meet at one address, took each other's rank, or lost an argument on the way."""
    for name, commands in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{commands}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", SCRIPT, "--data_dir", "/a folder/prepared", "--output_dir", "/shared/ggm"],
        env={**os.environ, **JOB, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, second, rest = done.stdout.split("(end)\n")
    assert not rest
    for rank, lines in enumerate((first, second)):
        launch = launch_command_parser().parse_args(lines.splitlines())
        assert (launch.machine_rank, launch.num_machines, launch.num_processes) == (rank, 2, 16)
        assert launch.main_process_ip == "node7" and 20000 <= launch.main_process_port < 30000
        assert launch.training_script == "train.py"
        given = ["--data_dir", "/a folder/prepared", "--output_dir", "/shared/ggm"]
        assert launch.training_script_args == given


def test_sbatch_reads_its_settings():
    """Would fail if settings stood below the first command, where sbatch no longer reads them."""
    lines = SCRIPT.read_text().splitlines()
    first_command = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    settings = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert settings and max(settings) < first_command
