"""A pool in memory that follows a pool store."""

import threading
from contextlib import suppress

from transformers.utils import logging

from ...errors import PoolError, StoreError
from ..hashtag_pool import HashtagPool
from .changes import StoreChanges
from .database import CHANNEL, told
from .store import PoolStore

logger = logging.get_logger(__name__)

# In seconds: how often SQLite, which tells nobody of changes, is asked; how often PostgreSQL, which does, is asked in
# case that a message was lost; and how soon all are tried again after a failure.
_SQLITE_EVERY, _POSTGRESQL_EVERY, _AGAIN_AFTER = 0.2, 1.0, 0.5


class PoolReader:
    """
    Keeps a [`HashtagPool`] in memory that follows a store: each process has its own, searches it without asking the
    database, and takes over what is newer. Between two versions nothing is seen by halves.

    [`~PoolReader.start`] follows the store from a thread of its own: what one process writes, another one has within
    a second, by LISTEN and NOTIFY on PostgreSQL and by asking five times a second on SQLite. When the store cannot be
    reached, the reader goes on with what it has, warns, tells by `problem`, and tries again.

    Args:
        store ([`PoolStore`]): Has one hashtag at least.
        index (`str`, defaults to `"auto"`): How the pool is searched, see [`HashtagPool`].
        dim (`int`, *optional*): The pool keeps the first so many numbers of each vector, see [`HashtagPool`]; the
            store keeps all.

    Raises:
        PoolError: The store is empty, or `dim` does not fit.
        StoreError: The database failed.

    Attributes:
        pool ([`HashtagPool`]): always the same object, such as for `pipeline("hashtag-generation", hashtag_pool=...)`.
            Change the store, not this.
        version (`int`): of the store, that the pool is at.
        blocks (`frozenset[str]`): the patterns that are blocked, which the pool has too: a pipeline shows none of
            what they match.
        problem (`str`, *optional*): why the store could not be reached the last time; `None` when it could.

    Example: see [`PoolStore`].
    """

    def __init__(self, store: PoolStore, index: str = "auto", dim: int | None = None):
        self.store = store
        self.problem: str | None = None
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        changes = store.changes()
        if changes is None or not changes.hashtags:
            raise PoolError(f"{store} has no hashtags: add some first, by `ggm pool add` or `ggm pool import`.")
        fingerprint = changes.retriever_fingerprint
        self.pool = HashtagPool(changes.hashtags, changes.vectors, changes.counts, fingerprint, index, dim)
        self.pool.put((), changes.vectors[:0], (), uses=changes.uses, spellings=changes.spellings)
        self.version, self.pool.blocks = changes.version, changes.blocks

    @property
    def blocks(self) -> frozenset[str]:
        return self.pool.blocks

    def refresh(self) -> bool:
        """
        Takes over what is new.

        Returns:
            `bool`: Whether there was anything.

        Raises:
            StoreError: The database failed; the reader stays as it was.
        """
        with self._refreshing:
            changes = self.store.changes(self.version)
            if changes is None:
                return False
            self._take(changes)
            return True

    def _take(self, changes: StoreChanges) -> None:
        uses = self.pool.uses.copy()
        uses.replace([*changes.hashtags, *changes.removed], changes.uses)
        # What is blocked from now on is blocked before it is there.
        self.pool.blocks |= changes.blocks
        known = (changes.removed, uses, changes.spellings)
        self.pool.put(changes.hashtags, changes.vectors, changes.counts, *known)
        self.version, self.pool.blocks = changes.version, changes.blocks

    def start(self) -> "PoolReader":
        """Follows the store from now on, in a thread that ends with the process or by [`~PoolReader.close`]."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._follow, name="pool-reader", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Follows the store no more; the pool stays as it is."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> "PoolReader":
        return self.start()

    def __exit__(self, *_) -> None:
        self.close()

    def _follow(self) -> None:
        follow = self._listen if self.store.engine.dialect.name == "postgresql" else self._ask
        while not self._stopped.is_set():
            try:
                follow()
            except StoreError as error:
                if self.problem is None:
                    logger.warning(f"{error} The pool stays at version {self.version} until the store is back.")
                self.problem = str(error)
                self._stopped.wait(_AGAIN_AFTER)

    def _ask(self) -> None:
        while not self._stopped.is_set():
            self._refresh_and_tell()
            self._stopped.wait(_SQLITE_EVERY)

    def _listen(self) -> None:
        import psycopg
        import sqlalchemy as sa

        engine = self.store.engine
        with told(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"LISTEN {CHANNEL}"))
            driver = connection.connection.driver_connection
            try:
                while not self._stopped.is_set():
                    # First, for what was written before.
                    self._refresh_and_tell()
                    for _ in driver.notifies(timeout=_POSTGRESQL_EVERY, stop_after=1):
                        pass
            except psycopg.Error as error:
                raise StoreError(f"the pool store {engine.url} cannot be reached ({error}).") from error
            finally:
                with suppress(sa.exc.SQLAlchemyError):
                    # What listens must not go back among the connections for others.
                    connection.invalidate()

    def _refresh_and_tell(self) -> None:
        self.refresh()
        if self.problem is not None:
            logger.warning(f"{self.store} is back; the pool is at version {self.version}.")
            self.problem = None
