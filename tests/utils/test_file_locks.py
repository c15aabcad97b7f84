"""One process at a time."""

import os
import signal
import subprocess
import sys

import pytest

from transformers_ggm.errors import DatasetError
from transformers_ggm.utils.file_locks import alone_with

HOLD = """
import sys
from transformers_ggm.utils.file_locks import alone_with
with alone_with("tags.jsonl", sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is told to end."""
    lock = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process, lock
    process.kill()
    process.communicate()


def test_the_second_is_told_who_is_first(holder):
    """Would fail if two processes wrote into each other, or the second did not say who, where and since when."""
    process, lock = holder
    with (
        pytest.raises(DatasetError, match=rf"tags.jsonl .*process {process.pid} on .+ since 20\d\d-"),
        alone_with("tags.jsonl", lock),
    ):
        pass
    process.communicate("")
    with alone_with("tags.jsonl", lock):
        pass


def test_a_killed_one_leaves_no_lock(holder):
    """Would fail if a lock had to be removed by hand after a crash."""
    process, lock = holder
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
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
