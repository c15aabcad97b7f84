"""Trainings on two machines, each with one process, as far as one machine can play both."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from held_work import HeldWork
from process_samples import Machine, free_port, train_in_two_processes
from training_samples import REPOSITORY, command_line, losses, weights, write_scratch_config

from transformers_ggm.errors import ArgumentError, LostProcessError
from transformers_ggm.training import callbacks, machines
from transformers_ggm.training.main import parse_arguments

HELD = Path(__file__).with_name("train_with_a_held_step.py")
# Half the batch in each process, and something that draws random numbers in each.
ARGUMENTS = {
    "per_device_train_batch_size": 4, "retriever_per_device_train_batch_size": 4, "fusion_dropout": 0.1,
    "num_train_epochs": 3, "ddp_backend": "gloo",
}  # fmt: skip


# As `--ddp_timeout 20` does, which transformers passes on where there are GPUs alone.
IMPATIENT = """
from datetime import timedelta
from torch.distributed import init_process_group
from transformers_ggm.training import main
init_process_group("gloo", timeout=timedelta(seconds=20))
main()
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_scratch_config(tmp_path_factory.mktemp("config") / "scratch.json", dropout=0.1)


@pytest.fixture(scope="module")
def line(shorts_dir, config):
    """Arguments of `train.py`."""

    def arguments(**changes):
        return command_line(**{"data_dir": shorts_dir, "scratch_config": config, **ARGUMENTS, **changes})

    return arguments


@pytest.fixture
def two_machines(tmp_path):
    """Starts two machines, with arguments and on demand a script for each."""
    started = []

    def start(*arguments, scripts=((REPOSITORY / "train.py",),) * 2):
        port = free_port()
        pair = [
            Machine(rank, port, arguments[rank], tmp_path / f"machine{rank}.log", scripts[rank]) for rank in range(2)
        ]
        started.extend(pair)
        return pair

    yield start
    for machine in started:
        machine.kill()


@pytest.fixture(scope="module")
def one_machine(line, tmp_path_factory):
    """Output folder of a training in two processes of one machine."""
    output_dir = tmp_path_factory.mktemp("one_machine")
    train_in_two_processes(line(output_dir=output_dir))
    return output_dir


def assert_both_fail(pair, message):
    for machine in pair:
        assert machine.wait() != 0
        assert message in machine.log.read_text(), machine.log.read_text()[-3000:]


def assert_same_training(expected, found):
    for name in ("retriever", "generator"):
        run_dir = Path("runs", name)
        if (found / run_dir).exists():
            assert losses(found / run_dir) == losses(expected / run_dir)
    first, second = weights(expected / "checkpoint"), weights(found / "checkpoint")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_two_machines_train_as_one(one_machine, two_machines, line, shorts_dir, tmp_path):
    """
    Would fail if a training on two machines, which share the output folder alone and have a copy of the data each,
    went another way than in as many processes of one machine.
    """
    copy = shutil.copytree(shorts_dir, tmp_path / "copy")
    output_dir = tmp_path / "shared"
    pair = two_machines(line(output_dir=output_dir), line(output_dir=output_dir, data_dir=copy))
    for machine in pair:
        assert machine.wait() == 0, machine.log.read_text()[-3000:]
    assert_same_training(one_machine, output_dir)
    assert (output_dir / "evaluation" / "test.json").is_file()
    assert not list(output_dir.glob(".*")), "what was written to try the folder was left"


@pytest.mark.slow
def test_folders_that_are_not_shared_are_refused(two_machines, line, tmp_path):
    """Would fail if a machine that sees none of the checkpoints went on by itself, or the other waited for it."""
    pair = two_machines(line(output_dir=tmp_path / "0"), line(output_dir=tmp_path / "1"))
    assert_both_fail(pair, "give a folder on a file system that all machines share")
    assert not (tmp_path / "0" / "prepared").exists()


@pytest.mark.slow
def test_other_data_are_refused(two_machines, line, shorts_dir, tmp_path):
    """Would fail if machines trained on different data, which nothing in the losses would tell."""
    copy = shutil.copytree(shorts_dir, tmp_path / "copy")
    metadata = copy / "train" / "metadata.jsonl"
    metadata.write_text("\n".join(metadata.read_text().splitlines()[1:]) + "\n")
    output_dir = tmp_path / "shared"
    pair = two_machines(line(output_dir=output_dir), line(output_dir=output_dir, data_dir=copy))
    assert_both_fail(pair, "has other rows or clips than that of")


def before_the_generator(finished, output_dir):
    """An output folder that has all stages before the generator."""
    for part in ("prepared", "guidance", "checkpoint/retriever", "checkpoint/hashtag_pool"):
        shutil.copytree(finished / part, output_dir / part)
    return output_dir


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("lost", [0, 1])
def test_training_goes_on_after_a_machine_is_lost(one_machine, two_machines, line, tmp_path, lost):
    """
    Would fail if the machine that is left waited for ever for the one that died, did not say what to do, or both,
    started again, ended with other weights than a training that was never stopped.
    """
    output_dir = before_the_generator(one_machine, tmp_path / "shared")
    held, arguments = HeldWork(tmp_path / "pipe"), line(output_dir=output_dir, stages=["generator"])
    scripts = [(REPOSITORY / "train.py",)] * 2
    scripts[lost] = (HELD, held.path, "3")  # in the middle of the second of three epochs
    pair = two_machines(arguments, arguments, scripts=scripts)
    try:
        held.wait_for_reader(pair[lost].process)
        pair[lost].kill()
    finally:
        held.let_go()
    left = pair[1 - lost]
    assert left.wait() != 0
    assert "goes on from its last checkpoint" in left.log.read_text(), left.log.read_text()[-3000:]
    assert callbacks.last_checkpoint(output_dir / "runs" / "generator").name == "checkpoint-2"
    assert not (output_dir / "checkpoint" / "config.json").exists()
    for machine in two_machines(arguments, arguments):
        assert machine.wait() == 0, machine.log.read_text()[-3000:]
    assert_same_training(one_machine, output_dir)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_machine_that_no_longer_answers(one_machine, two_machines, line, tmp_path):
    """Would fail if a machine that hangs, or was cut off without a word, kept the other waiting for ever."""
    output_dir = before_the_generator(one_machine, tmp_path / "shared")
    held, arguments = HeldWork(tmp_path / "pipe"), line(output_dir=output_dir, stages=["generator"])
    impatient = tmp_path / "train_with_a_short_timeout.py"
    impatient.write_text(IMPATIENT)
    pair = two_machines(arguments, arguments, scripts=[(impatient,), (HELD, held.path, "3")])
    try:
        held.wait_for_reader(pair[1].process)
        assert pair[0].wait() != 0
    finally:
        held.let_go()
    log = pair[0].log.read_text()
    # Of two ways in which gloo says so, one is met, by which of its threads is first.
    assert "no longer answers" in log and ("Timed out" in log or "timeout" in log), log[-3000:]


def test_errors_of_others_stay_what_they_are():
    """Would fail if any error of PyTorch were taken for a lost machine."""
    with pytest.raises(RuntimeError, match="out of memory"), machines.telling_of_lost_processes():
        raise RuntimeError("out of memory")
    with pytest.raises(LostProcessError), machines.telling_of_lost_processes():
        raise RuntimeError("Application timeout caused pair closure")
    with pytest.raises(LostProcessError, match="Start all processes again"), machines.telling_of_lost_processes():
        raise torch.distributed.DistNetworkError("Connection reset by peer")


def test_processes_that_would_train_alone_are_refused(shorts_dir, monkeypatch):
    """Would fail if processes on CPUs that were not joined all trained, and wrote to one folder."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ArgumentError, match="give --use_cpu true"):
        parse_arguments(command_line(data_dir=shorts_dir, output_dir="unused", use_cpu=False))


def test_one_process_shares_with_itself(tmp_path, shorts_dir):
    """Would fail if a training on one machine left a file in its folder, or broke off."""
    run = parse_arguments(command_line(data_dir=shorts_dir, output_dir=tmp_path))
    assert PartialState().num_processes == 1
    machines.check_shared_output(run)
    machines.check_same_data(run)
    assert not list(tmp_path.iterdir())
