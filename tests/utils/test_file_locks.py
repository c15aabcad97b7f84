"""One process at a time."""

import multiprocessing
import os

import pytest

from transformers_ggm.errors import DatasetError
from transformers_ggm.utils.file_locks import alone_with

# A process that need not import everything again.
FORK = multiprocessing.get_context("fork")


def hold(lock, pipe):
    with alone_with("tags.jsonl", lock):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is told to end, by a pipe."""
    lock, (pipe, end) = tmp_path / "lock", FORK.Pipe()
    process = FORK.Process(target=hold, args=(lock, end), daemon=True)
    process.start()
    assert pipe.poll(60) and pipe.recv() == "held"
    yield process, pipe, lock
    process.kill()
    process.join()


def test_the_second_is_told_who_is_first(holder):
    """Would fail if two processes wrote into each other, or the second did not say who, where and since when."""
    process, pipe, lock = holder
    with (
        pytest.raises(DatasetError, match=rf"tags.jsonl .*process {process.pid} on .+ since 20\d\d-"),
        alone_with("tags.jsonl", lock),
    ):
        pass
    pipe.send("end")
    process.join()
    with alone_with("tags.jsonl", lock):
        pass


def test_a_killed_one_leaves_no_lock(holder):
    """Would fail if a lock had to be removed by hand after a crash."""
    process, _, lock = holder
    process.kill()
    process.join()
    with (
        alone_with("tags.jsonl", lock),
        pytest.raises(DatasetError, match=f"process {os.getpid()} on"),
        alone_with("tags.jsonl", lock),
    ):
        pass


def test_a_place_that_cannot_be_written_to(tmp_path):
    """Would fail if a missing folder raised what callers do not expect."""
    for name in ("\0", "a" * 5000):
        with pytest.raises(DatasetError, match="cannot be locked"), alone_with("tags.jsonl", tmp_path / name):
            pass
