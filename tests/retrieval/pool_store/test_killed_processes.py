"""Writers and readers that are killed at random points: nothing lost, nothing doubled, nobody stuck."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from retrieval_stand_ins import StandInProcessor, StandInRetriever
from store_process import START, batch

from transformers_ggm.retrieval import HashtagUses
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

WRITERS, BATCHES, KILLS = ("one", "two"), 150, 6
PROGRAM = Path(__file__).with_name("store_process.py")


def started(*arguments, **pipes):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(PROGRAM), *arguments], env=environment, text=True, **pipes)


@pytest.mark.slow
def test_killed_writers_and_readers_lose_and_double_nothing(url, tmp_path):
    """Would fail if a kill left half a change or a lock that others wait for, or lost or doubled a batch."""
    store = PoolStore(url)
    store.add(["snow"], StandInRetriever(), StandInProcessor())
    draw = random.Random(0)
    journals = {writer: tmp_path / writer for writer in WRITERS}

    def writer_of(name):
        return started("write", url, name, str(BATCHES), str(journals[name]))

    def reader_of():
        reader = started("follow", url, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert reader.stdout.readline() == "ready\n"
        return reader

    def asked(reader):
        reader.stdin.write(" ".join(WRITERS) + "\n")
        reader.stdin.flush()
        return int(reader.stdout.readline())

    writers, killed, seen, reader = {name: writer_of(name) for name in WRITERS}, 0, 0, reader_of()
    while any(process.poll() != 0 for process in writers.values()):
        now = asked(reader)
        assert now >= seen
        seen = now
        for name, process in writers.items():
            has_begun = journals[name].exists()
            if killed < KILLS and process.poll() is None and has_begun and draw.random() < 0.3:
                time.sleep(draw.random() / 50)
                process.kill()
                killed += 1
            if process.poll() not in (None, 0):
                writers[name] = writer_of(name)
        if draw.random() < 0.05:
            reader.kill()
            reader.wait()
            reader = reader_of()
    assert killed and asked(reader) == 4 * BATCHES
    reader.stdin.close()
    reader.wait()
    expected = HashtagUses()
    for name in WRITERS:
        for number in range(BATCHES):
            expected.observe(batch(name, number))
    found = PoolReader(PoolStore(url)).pool.uses
    assert {entry[:3] for entry in found.entries()} == {entry[:3] for entry in expected.entries()}
    assert found.spellings("snow") == expected.spellings("snow")
    later = START.replace(year=2027)
    assert found.decayed("snow", later) == pytest.approx(expected.decayed("snow", later))
