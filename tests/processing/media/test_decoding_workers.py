"""The pool of processes that decode: what it does with tasks and results of every kind."""

import os
import signal
import time

import pytest
import torch

from transformers_ggm.errors import MediaError
from transformers_ggm.processing.media import decoding_workers
from transformers_ggm.processing.media.decoding_workers import DecodingWorkers, in_order


def work(task):
    """Does what a task says."""
    if task == "crash":
        os._exit(7)
    if task == "stuck":
        time.sleep(600)
    if task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "fault":
        raise ZeroDivisionError("a fault")
    if task == "cannot be sent":
        return lambda: None
    return task


def failed(error):
    return f"{type(error).__name__}: {error}", type(error.__cause__)


def results(workers, *tasks):
    return list(in_order(tasks, lambda task: workers.submit(task, str(task), failed), num_ahead=3))


@pytest.mark.parametrize("count", [1, 3])
def test_stuck_and_crashed_processes_cost_one_task_each(count, monkeypatch):
    """Would fail if a task that hangs, crashes or is killed took others with it, or was not told from them."""
    monkeypatch.setattr(decoding_workers, "_GRACE_SECONDS", 0.5)
    tasks = ["first", "stuck", "crash", "second", "killed", "third", "last"]
    with DecodingWorkers(work, count, max_seconds=1.0) as workers:
        found = results(workers, *tasks)
    assert [task for task in found if isinstance(task, str)] == ["first", "second", "third", "last"]
    (stuck, cause), (crash, _), (killed, _) = (found[number] for number in (1, 2, 4))
    assert stuck.startswith("MediaError: stuck was not decoded within 1 s") and cause is TimeoutError
    assert crash.startswith("MediaError: crash crashed") and "exit code 7" in crash
    assert "exit code -9" in killed


@pytest.mark.parametrize("task, error", [("fault", ZeroDivisionError), ("cannot be sent", Exception)])
def test_faults_are_raised_as_what_they_are(task, error):
    """Would fail if a fault of the code were taken for a bad clip, or ended the process that has it."""
    with DecodingWorkers(work, 1) as workers:
        future = workers.submit(task, None, failed)
        assert isinstance(future.exception(60), error) and not isinstance(future.exception(), MediaError)
        assert results(workers, "next") == ["next"]


def test_tensors_come_back_as_they_were():
    """Would fail if a tensor lost its type, its strides mattered, or what is in two places became two."""
    whole = torch.arange(24).reshape(2, 3, 4)
    task = {
        "bytes": torch.arange(6, dtype=torch.uint8),
        "part": whole[:, ::2].permute(2, 0, 1),
        "scalar": torch.tensor(2.5),
        "rounded": torch.ones(3, dtype=torch.bfloat16),
        "empty": torch.empty(0, 3),
        "deep": [(whole, {"none": None})],
        "again": whole,
    }
    with DecodingWorkers(work, 1) as workers:
        (found,) = results(workers, task)
    for name in ("bytes", "part", "scalar", "rounded", "empty", "again"):
        assert found[name].dtype == task[name].dtype and torch.equal(found[name], task[name])
        found[name].add_(1)  # nobody else has it
    assert found["deep"][0][0] is found["again"]


def test_what_cannot_travel_is_done_here(tmp_path):
    """Would fail if an open file ended the work on all others."""
    with open(tmp_path / "file", "wb") as file, DecodingWorkers(type, 2) as workers:
        assert results(workers, "words", file) == [str, type(file)]
