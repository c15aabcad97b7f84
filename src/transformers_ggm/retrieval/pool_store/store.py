"""A hashtag pool in a database, which many processes and machines read and write."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import regex
import sqlalchemy as sa
import torch
from sqlalchemy.dialects import postgresql, sqlite

from ...errors import PoolError, RetrieverMismatchError
from ..hashtag_encoding import encode_hashtags, spellings_with_capitals
from ..hashtag_pool import HashtagPool
from ..hashtag_spellings import Spellings, written_spellings
from ..hashtag_table import as_iterable, counted_hashtags, named, pool_key
from ..hashtag_uses import HALF_LIVES, HashtagUses
from .changes import StoreChanges, read_changes, read_uses, some_at_a_time
from .database import CHANNEL, open_database, prepare_tables, reading, writing
from .store_tables import BATCHES, BLOCKS, HASHTAGS, LIST_SPELLINGS, POOL, SPELLINGS, USES
from .users import StoreUsers

_SOMETHING = regex.compile(r"[\p{L}\p{Nd}]")
# Names of changes are known for so long; once in so many versions the older ones are deleted.
BATCHES_KEPT = timedelta(days=30)
_DELETED_EVERY = 100
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class PoolStore:
    """
    The hashtag pool that many processes and machines share: hashtags with counts and vectors, their uses over time and
    spellings, and what is blocked. Every change is one transaction and gives the store a new version. A
    [`PoolReader`] keeps a [`HashtagPool`] in memory that follows it.

    A change may be given a name, `batch`: a writer that was interrupted and does not know whether its last one arrived
    sends it again by the same name, and it is not made twice. Names are known for 30 days; after them a change of the
    same name is another one.

    Needs `pip install transformers-ggm[store]`.

    Args:
        url (`str`): `"sqlite:///pool.db"` for processes of one machine, `"postgresql+psycopg://host/database"` for
            many. The tables are made where there are none.

    Attributes:
        users ([`StoreUsers`]): what is kept of users.

    Raises:
        StoreError: The database cannot be reached, its tables are of a newer or older version of this package, or
            something is not installed.

    Example:

    ```python
    >>> import tempfile, torch
    >>> from transformers_ggm.retrieval import HashtagPool
    >>> from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

    >>> store = PoolStore(f"sqlite:///{tempfile.mkdtemp()}/pool.db")
    >>> store.put(HashtagPool(["snow", "lake"], torch.eye(2), retriever_fingerprint="r1"))
    >>> reader = PoolReader(store)
    >>> store.observe([(["#Snow"], "2026-01-01T08:00:00Z")])
    {'snow': 1}
    >>> store.block(["lake"])
    >>> reader.refresh()
    True
    >>> reader.pool.counts, reader.blocks
    ([2, 1], frozenset({'lake'}))

    ```
    """

    def __init__(self, url: str):
        self.engine = open_database(url)
        prepare_tables(self.engine)
        self.users = StoreUsers(self.engine)

    @classmethod
    def upgrade(cls, url: str) -> "PoolStore":
        """
        Opens a store whose tables may be of an older version of this package, and migrates them.

        Args:
            url (`str`): As for [`PoolStore`].

        Raises:
            StoreError: As for [`PoolStore`], except for older versions.
        """
        prepare_tables(open_database(url), upgrade=True)
        return cls(url)

    def add(
        self,
        hashtags: Iterable[str] | Mapping[str, int],
        retriever: Any,
        processor: Any,
        batch_size: int = 256,
        progress_bar: bool = False,
        batch: str | None = None,
    ) -> int:
        """
        Adds hashtags, as [`HashtagPool.add`] does. They are encoded before the transaction begins.

        Args:
            hashtags, retriever, processor, batch_size, progress_bar: As for [`HashtagPool.add`]; without a progress
                bar by default.
            batch (`str`, *optional*): A name for this change, see above.

        Returns:
            `int`: How many are new.

        Raises:
            RetrieverMismatchError: The store's vectors were made by another retriever.
            HashtagError, PoolError: As for [`HashtagPool.add`].
            StoreError: The database failed; nothing was changed.
        """
        hashtags = list(hashtags) if not isinstance(hashtags, Mapping) else hashtags
        names, counts = counted_hashtags(hashtags, allow_empty=True)
        given = dict(zip(names.to_pylist(), counts.tolist()))
        spellings = spellings_with_capitals(hashtags, processor)

        def encoded(new: list[str]) -> dict[str, torch.Tensor]:
            parts = encode_hashtags(new, retriever, processor, batch_size, progress_bar, spellings)
            return dict(zip(new, torch.cat(list(parts)))) if new else {}

        fingerprint = retriever.fingerprint()
        with reading(self.engine) as connection:
            _check_fingerprint(connection, fingerprint)
            vectors_missing = _without_vectors(connection, given)
        vectors = encoded(vectors_missing)
        with self._changing(batch) as (connection, version):
            if version is None:
                return 0
            _check_fingerprint(connection, fingerprint)
            new = _without_vectors(connection, given)
            # Those that somebody removed meanwhile.
            vectors |= encoded([name for name in new if name not in vectors])
            if new:
                _set_vectors_of(connection, fingerprint, len(vectors[new[0]]))
            self._count(connection, version, given, {name: vectors[name] for name in new})
            self._add_spellings(connection, written_spellings(hashtags))
        return len(new)

    def remove(self, hashtags: Iterable[str]) -> None:
        """
        Removes hashtags, with what is known of their uses.

        Args:
            hashtags (`Iterable[str]`): With or without `#`, in any spelling.

        Raises:
            PoolError: Some are not there, or none would be left; nothing is removed.
            StoreError: The database failed; nothing was changed.
        """
        given = list(as_iterable(hashtags))
        keys = {pool_key(hashtag): hashtag for hashtag in given}
        with self._changing() as (connection, version):
            missing = set(_without_vectors(connection, [key for key in keys if key is not None]))
            unknown = [hashtag for key, hashtag in keys.items() if key is None or key in missing]
            if unknown:
                raise PoolError(f"not in the pool store: {named(unknown)}. Nothing was removed.")
            there = sa.select(sa.func.count()).select_from(HASHTAGS).where(HASHTAGS.c.vector.is_not(None))
            if keys and connection.execute(there).scalar_one() == len(keys):
                raise PoolError("removing these hashtags would leave the pool empty. Nothing was removed.")
            for some in some_at_a_time(keys):
                which = HASHTAGS.c.hashtag.in_(some)
                ids = sa.select(HASHTAGS.c.id).where(which)
                for table in (USES, SPELLINGS, LIST_SPELLINGS):
                    connection.execute(sa.delete(table).where(table.c.hashtag_id.in_(ids)))
                connection.execute(sa.update(HASHTAGS).where(which).values(vector=None, count=0, version=version))

    def observe(
        self, posts: Iterable[Mapping[str, Any]], now: datetime | None = None, batch: str | None = None
    ) -> dict[str, int]:
        """
        Counts the hashtags of posts, as [`HashtagPool.observe`] does.

        Args:
            posts (iterable of `dict`), now (`datetime`, *optional*): As for [`HashtagUses.observe`].
            batch (`str`, *optional*): A name for this change, see above.

        Returns:
            `dict[str, int]`: How many uses of which hashtags were counted.

        Raises:
            InputError, HashtagError: As for [`HashtagUses.observe`].
            StoreError: The database failed; nothing was changed.
        """
        new = HashtagUses()
        counts = new.observe(posts, now)
        with self._changing(batch) as (connection, version):
            if version is None:
                return {}
            self._count(connection, version, counts, {})
            self._add_uses(connection, new)
        return counts

    def prune(self, below: float = 0.1, now: datetime | None = None) -> int:
        """
        Forgets the uses and spellings of hashtags that are hardly used any more, as [`HashtagUses.prune`] does, for
        all readers. The hashtags stay in the pool, with their counts.

        Args:
            below (`float`, defaults to 0.1), now (`datetime`, *optional*): As for [`HashtagUses.prune`].

        Returns:
            `int`: Of how many.

        Raises:
            InputError: As for [`HashtagUses.prune`].
            StoreError: The database failed; nothing was changed.
        """
        with self._changing() as (connection, version):
            uses = read_uses(connection, sa.true())
            known = {entry[0] for entry in uses.entries()}
            uses.prune(below, now)
            gone = known - {entry[0] for entry in uses.entries()}
            for some in some_at_a_time(gone):
                which = HASHTAGS.c.hashtag.in_(some)
                ids = sa.select(HASHTAGS.c.id).where(which)
                for table in (USES, SPELLINGS):
                    connection.execute(sa.delete(table).where(table.c.hashtag_id.in_(ids)))
                connection.execute(sa.update(HASHTAGS).where(which).values(version=version))
        return len(gone)

    def block(self, patterns: Iterable[str], everything: bool = False) -> None:
        """
        Blocks hashtags for all readers.

        Args:
            patterns (`Iterable[str]`): Hashtags and phrases, and patterns with `*` for any letters and `?` for one, as
                [`BlockedFilter`] takes them; those that are blocked already stay.
            everything (`bool`, defaults to `False`): Confirms a pattern that matches all hashtags.

        Raises:
            PoolError: One has no letters or digits, or matches every hashtag and `everything` is not set; nothing is
                blocked.
            StoreError: The database failed; nothing was changed.
        """
        given = [str(pattern).lstrip("#＃").strip() for pattern in as_iterable(patterns)]
        for pattern in given:
            _check_pattern(pattern, everything)
        rows = [{"pattern": pattern} for pattern in dict.fromkeys(given)]
        with self._changing() as (connection, _):
            if rows:
                connection.execute(self._insert(BLOCKS).on_conflict_do_nothing(), rows)

    def unblock(self, patterns: Iterable[str]) -> None:
        """
        Takes patterns from what is blocked.

        Args:
            patterns (`Iterable[str]`): As they were blocked.

        Raises:
            PoolError: One is not blocked; nothing is changed.
            StoreError: The database failed; nothing was changed.
        """
        given = {str(pattern).lstrip("#＃").strip() for pattern in as_iterable(patterns)}
        with self._changing() as (connection, _):
            unknown = given - set(connection.execute(sa.select(BLOCKS.c.pattern)).scalars())
            if unknown:
                raise PoolError(f"not blocked: {named(sorted(unknown))}. Nothing was changed.")
            connection.execute(sa.delete(BLOCKS).where(BLOCKS.c.pattern.in_(given)))

    def put(self, pool: HashtagPool) -> None:
        """
        Fills an empty store with a pool: hashtags, counts, vectors and uses.

        Args:
            pool ([`HashtagPool`]): Such as one that was saved in a folder.

        Raises:
            PoolError: The store has hashtags already; or the pool does not say which retriever made its vectors, or
                has only their first numbers.
            StoreError: The database failed; nothing was changed.
        """
        pool = pool.copy()
        if not pool.retriever_fingerprint:
            raise PoolError(
                "the pool does not say which retriever made its vectors: make it with HashtagPool.build(...)."
            )
        if pool.dim < pool.whole_dim:
            raise PoolError(
                f"the pool has {pool.dim} of the {pool.whole_dim} numbers of each vector, but a store keeps all: fill"
                " it with a pool of whole vectors, and give dim= to its readers."
            )
        hashtags, vectors = pool.hashtags, pool.embeddings
        counts = dict(zip(hashtags, pool.counts))
        observed = {hashtag: count for hashtag, _, count, *_ in pool.uses.entries() if hashtag not in counts}
        with self._changing() as (connection, version):
            if connection.execute(sa.select(HASHTAGS.c.id).limit(1)).first() is not None:
                raise PoolError("the pool store has hashtags already: import into an empty one.")
            _set_vectors_of(connection, pool.retriever_fingerprint, vectors.shape[1])
            self._count(connection, version, counts | observed, dict(zip(hashtags, vectors)))
            self._add_uses(connection, pool.uses)
            self._add_spellings(connection, pool.spellings)

    def changes(self, since: int = -1) -> StoreChanges | None:
        """
        What changed after a version, in one consistent state.

        Args:
            since (`int`, defaults to -1): The version that is known; -1 for none.

        Returns:
            [`StoreChanges`], or `None` where nothing changed.

        Raises:
            StoreError: The database failed.
        """
        with reading(self.engine) as connection:
            return read_changes(connection, since)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.engine.url)!r})"

    @contextmanager
    def _changing(self, batch: str | None = None) -> Iterator[tuple[sa.Connection, int | None]]:
        """A transaction with its new version, `None` for a batch that was written before."""
        with writing(self.engine) as connection:
            raised = sa.update(POOL).values(version=POOL.c.version + 1).returning(POOL.c.version)
            version: int = connection.execute(raised).scalar_one()
            now = datetime.now(timezone.utc)
            if version % _DELETED_EVERY == 0:
                connection.execute(sa.delete(BATCHES).where(BATCHES.c.written < now - BATCHES_KEPT))
            is_known = batch is not None and not self._is_new(connection, batch, now)
            yield connection, None if is_known else version
            if is_known:
                connection.rollback()
            elif self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(version))))

    def _is_new(self, connection: sa.Connection, batch: str, now: datetime) -> bool:
        """Writes down the name of a change, unless it is known already."""
        statement = self._insert(BATCHES).values(name=batch, written=now)
        renewed = statement.on_conflict_do_update(
            index_elements=[BATCHES.c.name],
            set_={"written": now},
            where=BATCHES.c.written < now - BATCHES_KEPT,
        )
        return connection.execute(renewed.returning(BATCHES.c.name)).first() is not None

    def _insert(self, table: sa.Table) -> Any:
        return _INSERT[self.engine.dialect.name](table)

    def _count(
        self, connection: sa.Connection, version: int, counts: Mapping[str, int], vectors: Mapping[str, torch.Tensor]
    ) -> None:
        """More uses of hashtags, and vectors of those that come into the pool."""
        statement = self._insert(HASHTAGS)
        more, there = statement.excluded, HASHTAGS.c
        statement = statement.on_conflict_do_update(
            index_elements=[there.hashtag],
            set_={
                "count": there.count + more.count,
                "vector": sa.func.coalesce(there.vector, more.vector),
                "version": more.version,
            },
        )
        rows = [
            {"hashtag": name, "count": count, "vector": _as_bytes(vectors.get(name)), "version": version}
            for name, count in counts.items()
        ]
        if rows:
            connection.execute(statement, rows)

    def _add_spellings(self, connection: sa.Connection, spellings: Spellings) -> None:
        """More of them in lists, of hashtags that are there."""
        ids = _ids(connection, spellings)
        rows = [
            {"hashtag_id": ids[name], "spelling": spelling, "count": count}
            for name, counts in spellings.items()
            for spelling, count in counts.items()
        ]
        statement, there = self._insert(LIST_SPELLINGS), LIST_SPELLINGS.c
        raised = {"count": there.count + statement.excluded.count}
        if rows:
            keys = [there.hashtag_id, there.spelling]
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=raised), rows)

    def _add_uses(self, connection: sa.Connection, new: HashtagUses) -> None:
        names = list({entry[0] for entry in new.entries()})
        known = HashtagUses()
        for some in some_at_a_time(names):
            known.merge(read_uses(connection, HASHTAGS.c.hashtag.in_(some)))
        known.merge(new)
        ids = _ids(connection, names)
        columns = ("hashtag_id", "scope", "uses", *HALF_LIVES, "first_use", "last_use")
        rows = [
            dict(zip(columns, (ids[name], scope, count, *decayed, first, last)))
            for name, scope, count, decayed, first, last in known.entries()
        ]
        spelled = [
            {"hashtag_id": ids[name], "spelling": spelling, "count": count}
            for name in names
            for spelling, count in known.spellings(name).items()
        ]
        for table, values in ((USES, rows), (SPELLINGS, spelled)):
            statement = self._insert(table)
            keys = [column.name for column in table.primary_key]
            written = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
            if values:
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=written), values)


def _ids(connection: sa.Connection, hashtags: Iterable[str]) -> dict[str, int]:
    """By hashtag, the number of its row."""
    ids: dict[str, int] = {}
    for some in some_at_a_time(hashtags):
        query = sa.select(HASHTAGS.c.hashtag, HASHTAGS.c.id).where(HASHTAGS.c.hashtag.in_(some))
        ids |= {row.hashtag: row.id for row in connection.execute(query)}
    return ids


def _check_pattern(pattern: str, everything: bool) -> None:
    if _SOMETHING.search(pattern):
        return
    if "*" not in pattern:
        raise PoolError(f"{pattern!r} has no letters: name hashtags, phrases or patterns. Nothing was blocked.")
    if not everything:
        raise PoolError(
            f"{pattern!r} matches every hashtag, so that nothing would be shown: name a narrower one, or confirm it by"
            " block([...], everything=True), in a shell by --everything. Nothing was blocked."
        )


def _as_bytes(vector: torch.Tensor | None) -> bytes | None:
    return None if vector is None else vector.to("cpu", torch.float16).numpy().tobytes()


def _check_fingerprint(connection: sa.Connection, given: str) -> None:
    known = connection.execute(sa.select(POOL.c.retriever_fingerprint)).scalar_one()
    if known not in ("", given):
        raise RetrieverMismatchError(
            f"the pool store's vectors were made by the retriever {known}, not by the one given, {given}: use its own"
            " retriever, or fill another store. Nothing was changed."
        )


def _set_vectors_of(connection: sa.Connection, fingerprint: str, dim: int) -> None:
    connection.execute(sa.update(POOL).values(retriever_fingerprint=fingerprint, dim=dim))


def _without_vectors(connection: sa.Connection, names: Iterable[str]) -> list[str]:
    """Those that are not in the pool."""
    names = list(names)
    there: set[str] = set()
    for some in some_at_a_time(names):
        query = sa.select(HASHTAGS.c.hashtag).where(HASHTAGS.c.hashtag.in_(some), HASHTAGS.c.vector.is_not(None))
        there |= set(connection.execute(query).scalars())
    return [name for name in names if name not in there]
