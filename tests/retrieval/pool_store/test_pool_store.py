"""A pool in a database: what is written, what readers see of it, and what is refused."""

import shutil
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import torch

pytest.importorskip("sqlalchemy")

import sqlalchemy as sa
from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm.errors import HashtagError, InputError, PoolError, RetrieverMismatchError, StoreError
from transformers_ggm.retrieval import HashtagPool
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore, database
from transformers_ggm.retrieval.pool_store.store_tables import BATCHES, POOL

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PARTS = (StandInRetriever(), StandInProcessor())


def posts(*hashtags, hours=0):
    return [{"hashtags": list(hashtags), "time": START + timedelta(hours=hours), "language": "en", "country": "CA"}]


def state(pool):
    return pool.hashtags, pool.counts, pool.embeddings.tolist(), sorted(pool.uses.entries())


def wait_for(is_so, seconds=30):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_a_reader_has_what_a_pool_would_have(url):
    """Would fail if the store kept other counts, vectors, uses or hashtags than a pool that is told the same."""
    store = PoolStore(url)
    pool = HashtagPool.build({"Snow": 3, "lake": 1}, *PARTS, progress_bar=False)
    assert store.add({"Snow": 3, "lake": 1}, *PARTS) == 2
    reader = PoolReader(store)
    assert state(reader.pool) == state(pool)
    for each in (pool, store):
        each.observe([*posts("#Snow", "heat"), *posts("snow", hours=5), *posts("lake", hours=3)])
        each.observe([*posts("#SNOW", hours=1), *posts("heat", hours=9)])
        each.add(["rain", "lake"], *PARTS, progress_bar=False)
    assert reader.refresh() and not reader.refresh()
    assert state(reader.pool) == state(pool)
    assert reader.pool.uses.spellings("snow") == pool.uses.spellings("snow") == {"SNOW": 1, "Snow": 1, "snow": 1}
    for each in (pool, store):
        each.remove(["#Snow"])
        each.observe([{"hashtags": ["snow"], "time": START}])
    reader.refresh()
    assert state(reader.pool) == state(pool) == state(PoolReader(PoolStore(url)).pool)


def test_observed_hashtags_come_into_the_pool_when_they_are_added(url):
    """Would fail if a hashtag that was only observed were searched without a vector, or lost its uses by adding it."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    store.observe(posts("heat"))
    reader = PoolReader(store)
    assert reader.pool.hashtags == ["snow"] and "heat" in reader.pool.uses
    assert store.add(["heat"], *PARTS) == 1
    reader.refresh()
    assert dict(zip(reader.pool.hashtags, reader.pool.counts)) == {"snow": 1, "heat": 2} and "heat" in reader.pool.uses


def test_a_folder_comes_into_a_store_and_out_of_it_as_it_was(url, tmp_path):
    """Would fail if importing and exporting lost something."""
    pool = HashtagPool.build({"snow": 3, "lake": 1}, *PARTS, progress_bar=False)
    pool.observe(posts("#Snow", "heat"))
    store = PoolStore(url)
    store.put(pool)
    reader = PoolReader(store)
    reader.pool.save_pretrained(tmp_path / "pool")
    assert state(HashtagPool.from_pretrained(tmp_path / "pool", retriever=PARTS[0])) == state(pool)
    with pytest.raises(PoolError, match="has hashtags already"):
        store.put(pool)


def test_blocks_are_seen_and_taken_back(url):
    """Would fail if a blocked hashtag stayed with a reader that follows, or could not be allowed again."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    reader = PoolReader(store)
    store.block(["#Spam", "buy*", "buy*"])
    store.block([])
    assert reader.refresh() and reader.blocks == {"Spam", "buy*"}
    store.unblock(["Spam"])
    assert reader.refresh() and reader.blocks == {"buy*"}
    for bad, message in (
        ("*", "everything=True"),
        ("?*", "everything=True"),
        ("", "no letters"),
        ("#²", "no letters"),
    ):
        with pytest.raises(PoolError, match=message):
            store.block(["fine", bad])
    assert not reader.refresh() and reader.pool.copy().blocks == {"buy*"}
    store.block(["*"], everything=True)
    store.unblock(["*"])
    reader.refresh()
    with pytest.raises(PoolError, match="not blocked"):
        store.unblock(["fine"])
    assert not PoolReader(store).blocks ^ {"buy*"}


def test_a_batch_that_is_sent_again_counts_once(url):
    """Would fail if a writer that was interrupted counted its last posts twice, or gave the store a new version."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS, batch="first")
    assert store.add(["snow"], *PARTS, batch="first") == 0
    assert store.observe(posts("snow"), batch="second") == {"snow": 1}
    version = store.changes().version
    assert store.observe(posts("snow"), batch="second") == {}
    assert PoolReader(store).pool.counts == [2] and store.changes().version == version


def make_older(store, days):
    with store.engine.begin() as connection:
        connection.execute(sa.update(BATCHES).values(written=datetime.now(timezone.utc) - timedelta(days=days)))


def known_batches(store):
    with store.engine.begin() as connection:
        return set(connection.execute(sa.select(BATCHES.c.name)).scalars())


def test_names_of_batches_are_known_for_thirty_days(url):
    """Would fail if the name of a batch could never be given again, or what is sent again soon counted twice."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    for days, counted in ((0, {"snow": 1}), (29, {}), (31, {"snow": 1}), (0, {})):
        make_older(store, days)
        assert store.observe(posts("snow"), batch="hour1") == counted
    assert PoolReader(store).pool.counts == [3] and known_batches(store) == {"hour1"}


def test_names_of_old_batches_are_deleted(url):
    """Would fail if the table of names grew for ever, or names that are still needed went."""
    store = PoolStore(url)
    for name in ("old", "older"):
        store.add(["snow"], *PARTS, batch=name)
    make_older(store, 31)
    store.add(["snow"], *PARTS, batch="new")
    assert known_batches(store) == {"old", "older", "new"}
    with store.engine.begin() as connection:
        connection.execute(sa.update(POOL).values(version=98))
    store.block([])
    assert store.changes().version == 99 and len(known_batches(store)) == 3
    assert store.observe(posts("snow"), batch="new") == {} and len(known_batches(store)) == 3
    assert store.observe(posts("snow"), batch="old") == {"snow": 1}
    assert store.changes().version == 100 and known_batches(store) == {"old", "new"}


def test_bad_input_changes_nothing(url):
    """Would fail if a refused change were made by half, or given a version."""
    store = PoolStore(url)
    with pytest.raises(PoolError, match="has no hashtags"):
        PoolReader(store)
    store.add(["snow"], *PARTS)
    version = store.changes().version
    with pytest.raises(RetrieverMismatchError, match="Nothing was changed"):
        store.add(["lake"], StandInRetriever("another"), PARTS[1])
    with pytest.raises(InputError, match="in the future"):
        store.observe(posts("snow"), now=START - timedelta(days=1))
    with pytest.raises(HashtagError):
        store.observe(posts("no tag"))
    with pytest.raises(PoolError, match="not in the pool store: 'lake', 'no tag'"):
        store.remove(["snow", "lake", "no tag"])
    with pytest.raises(PoolError, match="would leave the pool empty"):
        store.remove(["snow"])
    with pytest.raises(PoolError, match="does not say which retriever"):
        store.put(HashtagPool(["snow"], torch.ones(1, 1)))
    assert store.changes().version == version and store.changes(version) is None


@pytest.mark.parametrize("bad", ["mysql://host/x", "no url", "sqlite:////no/such/folder/pool.db"])
def test_what_is_no_store_is_refused(bad):
    """Would fail if a mistyped address ended in the database's own error."""
    with pytest.raises(StoreError):
        PoolStore(bad)


def test_readers_forget_what_a_store_prunes(url):
    """Would fail if old uses or spellings stayed, new ones went, or a pool that is told the same kept others."""
    store, pool = PoolStore(url), HashtagPool.build(["snow", "lake"], *PARTS, progress_bar=False)
    store.add(["snow", "lake"], *PARTS)
    reader = PoolReader(store)
    now = START + timedelta(days=120)
    for each in (pool, store):
        each.observe([*posts("#SNOW", "old"), *posts("lake", hours=24 * 119)], now)
    reader.refresh()
    assert pool.uses.prune(now=now) == store.prune(now=now) == 2
    assert reader.refresh() and state(reader.pool) == state(pool) == state(PoolReader(PoolStore(url)).pool)
    assert "snow" not in reader.pool.uses and "lake" in reader.pool.uses and "snow" in reader.pool
    assert reader.pool.uses.spellings("snow") == {} and store.prune(now=now) == 0
    with pytest.raises(InputError, match="below"):
        store.prune(0)


def test_passwords_are_not_told():
    """Would fail if an error that is logged told the password of a database."""
    with pytest.raises(StoreError) as caught:
        PoolStore("postgresql+psycopg://me:secret@127.0.0.1:1/pool")
    assert "secret" not in str(caught.value) and "***" in str(caught.value)


def test_a_store_of_another_version_is_refused(url, tmp_path, monkeypatch):
    """Would fail if code wrote into tables that it does not know, or an older store could not be migrated."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    newer = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, newer)
    (newer / "versions" / "store_0005.py").write_text(
        'from alembic import op\nrevision, down_revision = "0005", "0004"\n'
        'def upgrade():\n    op.execute("CREATE TABLE more (id INTEGER)")\n'
    )
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", newer)
        with pytest.raises(StoreError, match=r"revision 0004, older than the 0005 .*ggm pool upgrade"):
            PoolStore(url)
        assert PoolReader(PoolStore.upgrade(url)).pool.hashtags == ["snow"]
    with pytest.raises(StoreError, match="revision 0005, newer than the 0004"):
        PoolStore(url)


def test_the_migrations_make_the_tables_that_the_code_speaks_of(url):
    """Would fail if the tables of a new store lacked what the code reads and writes."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from transformers_ggm.retrieval.pool_store.store_tables import METADATA

    with PoolStore(url).engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_reader_follows_from_its_thread(url):
    """Would fail if what one writes came to others only when they ask."""
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    with PoolReader(PoolStore(url)) as reader:
        for number in range(3):
            store.add([f"new{number}"], *PARTS)
            wait_for(lambda number=number: f"new{number}" in reader.pool)
        assert reader.problem is None


def test_writers_at_once_lose_and_double_nothing(url):
    """Would fail if two writers read the same state and one's change was overwritten by the other's."""
    PoolStore(url).add(["snow", "lake"], *PARTS)

    def write(name):
        own = PoolStore(url)
        for number in range(8):
            own.observe(posts("#Snow", f"of{name}", hours=number))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    reader = PoolReader(PoolStore(url))
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        reader.refresh()
        counts, uses = dict(zip(reader.pool.hashtags, reader.pool.counts)), reader.pool.uses
        (row,) = [entry for entry in uses.entries() if entry[:2] == ("snow", "")] or [("", "", 0)]
        of_writers = sum(entry[2] for entry in uses.entries() if entry[1] == "" and entry[0].startswith("of"))
        # At every version everything fits together.
        assert counts["snow"] - 1 == row[2] == of_writers
    reader.refresh()
    assert dict(zip(reader.pool.hashtags, reader.pool.counts))["snow"] == 25


def test_a_reader_goes_on_without_its_store(tmp_path, caplog):
    """Would fail if a database that goes away took the search with it, unsaid, or its return were not noticed."""
    path = tmp_path / "pool.db"
    store = PoolStore(f"sqlite:///{path}")
    store.add(["snow"], *PARTS)
    with PoolReader(store) as reader:
        with store.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE pool RENAME TO away"))
        wait_for(lambda: reader.problem is not None)
        assert "no such table" in reader.problem
        assert reader.pool.search(torch.ones(8), 1)[1] == [["snow"]]
        with store.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO pool"))
        store.add(["lake"], *PARTS)
        wait_for(lambda: "lake" in reader.pool and reader.problem is None)


def test_a_reader_goes_on_while_postgresql_restarts(postgresql):
    """Would fail if a restart of the server ended a reader or a writer that goes on after it."""
    url = postgresql.new_database("restarted")
    store = PoolStore(url)
    store.add(["snow"], *PARTS)
    with PoolReader(PoolStore(url)) as reader:
        postgresql.stop()
        try:
            wait_for(lambda: reader.problem is not None)
            assert "snow" in reader.pool
            with pytest.raises(StoreError):
                store.observe(posts("snow"))
        finally:
            postgresql.start()
        store.add(["lake"], *PARTS)
        wait_for(lambda: "lake" in reader.pool and reader.problem is None)
