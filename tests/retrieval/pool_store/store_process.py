"""Processes that a test kills: a writer that sends numbered batches, and a reader that follows."""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def batch(writer: str, number: int) -> list[dict]:
    return [
        {"hashtags": ["#Snow", f"of{writer}"], "time": START + timedelta(minutes=number)},
        {"hashtags": ["snow", f"batch{number}"], "time": START + timedelta(minutes=number)},
    ]


def write(url: str, writer: str, last: int, journal: Path) -> None:
    """Sends the batches after those that the journal tells of; after a kill the last one may be sent twice."""
    from transformers_ggm.retrieval.pool_store import PoolStore

    store = PoolStore(url)
    for number in range(len(journal.read_text().split()) if journal.exists() else 0, last):
        store.observe(batch(writer, number), batch=f"{writer}-{number}")
        with journal.open("a") as file:
            file.write(f"{number}\n")


def follow(url: str) -> None:
    """Checks every version that it meets, until the end; prints the version when all fits together."""
    from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

    reader = PoolReader(PoolStore(url))
    print("ready", flush=True)
    for line in sys.stdin:
        reader.refresh()
        uses = {entry[0]: entry[2] for entry in reader.pool.uses.entries()}
        snow = uses.get("snow", 0)
        assert snow == 2 * sum(uses.get(f"of{writer}", 0) for writer in line.split())
        assert dict(zip(reader.pool.hashtags, reader.pool.counts))["snow"] == snow + 1
        print(snow, flush=True)


if __name__ == "__main__":
    command, url, *rest = sys.argv[1:]
    if command == "write":
        write(url, rest[0], int(rest[1]), Path(rest[2]))
    else:
        follow(url)
