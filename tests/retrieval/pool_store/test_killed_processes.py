"""Writers and readers that are killed at random points: nothing lost, nothing doubled, nobody stuck."""

import multiprocessing
import random
import time
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("sqlalchemy")

from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm.retrieval import HashtagUses
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

WRITERS, BATCHES, KILLS = ("one", "two"), 60, 8
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# Processes that need not import everything again.
FORK = multiprocessing.get_context("fork")


def batch(writer, number):
    time = START + timedelta(minutes=number)
    return [
        {"hashtags": ["#Snow", f"of{writer}"], "time": time},
        {"hashtags": ["snow", f"batch{number}"], "time": time},
    ]


def write(url, writer, journal):
    """Sends the batches after those that the journal tells of; after a kill the last one may be sent twice."""
    store = PoolStore(url)
    for number in range(len(journal.read_text().split()), BATCHES):
        store.observe(batch(writer, number), batch=f"{writer}-{number}")
        with journal.open("a") as file:
            file.write(f"{number}\n")


def follow(url, pipe):
    """Answers each question with how many uses there are at a version, or `None` where it does not fit together."""
    reader = PoolReader(PoolStore(url))
    while pipe.recv():
        reader.refresh()
        uses = {entry[0]: entry[2] for entry in reader.pool.uses.entries()}
        snow, count = uses.get("snow", 0), dict(zip(reader.pool.hashtags, reader.pool.counts))["snow"]
        fits = snow == 2 * sum(uses.get(f"of{writer}", 0) for writer in WRITERS) == count - 1
        pipe.send(snow if fits else None)


class Reader:
    def __init__(self, url):
        self.pipe, end = FORK.Pipe()
        self.process = FORK.Process(target=follow, args=(url, end), daemon=True)
        self.process.start()

    def ask(self):
        self.pipe.send(True)
        assert self.pipe.poll(120), "the reader is stuck"
        return self.pipe.recv()

    def kill(self):
        self.process.kill()
        self.process.join()


def started(url, name, journal):
    process = FORK.Process(target=write, args=(url, name, journal), daemon=True)
    process.start()
    return process


@pytest.mark.slow
def test_killed_writers_and_readers_lose_and_double_nothing(url, tmp_path):
    """Would fail if a kill left half a change or a lock that others wait for, or lost or doubled a batch."""
    PoolStore(url).add(["snow"], StandInRetriever(), StandInProcessor())
    journals = {name: tmp_path / name for name in WRITERS}
    for journal in journals.values():
        journal.touch()
    draw, killed, seen, end = random.Random(0), 0, 0, time.monotonic() + 300
    writers = {name: started(url, name, journals[name]) for name in WRITERS}
    reader = Reader(url)
    while any(process.exitcode != 0 for process in writers.values()):
        assert time.monotonic() < end, "a writer is stuck"
        now = reader.ask()
        assert now is not None and now >= seen
        seen = now
        for name, process in writers.items():
            if killed < KILLS and process.is_alive() and draw.random() < 0.3:
                time.sleep(draw.random() / 50)
                process.kill()
                killed += 1
            process.join(0 if process.is_alive() else None)
            if process.exitcode not in (None, 0):
                writers[name] = started(url, name, journals[name])
        if draw.random() < 0.1:
            reader.kill()
            reader = Reader(url)
    assert killed and reader.ask() == 4 * BATCHES
    reader.kill()
    expected = HashtagUses()
    for name in WRITERS:
        for number in range(BATCHES):
            expected.observe(batch(name, number))
    found = PoolReader(PoolStore(url)).pool.uses
    assert {entry[:3] for entry in found.entries()} == {entry[:3] for entry in expected.entries()}
    assert found.spellings("snow") == expected.spellings("snow")
    later = START.replace(year=2027)
    assert found.decayed("snow", later) == pytest.approx(expected.decayed("snow", later))
