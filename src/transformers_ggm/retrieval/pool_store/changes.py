"""What is new in a pool store since some version."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
import torch

from ..hashtag_uses import HALF_LIVES, HashtagUses
from .store_tables import BLOCKS, HASHTAGS, LIST_SPELLINGS, POOL, SPELLINGS, USES

# SQLite takes some ten thousand values in one statement.
_AT_A_TIME = 10_000


@dataclass(frozen=True)
class StoreChanges:
    """
    Of one version of a store what changed since another one.

    Attributes:
        version (`int`): of the store.
        retriever_fingerprint (`str`): of what made the vectors; `""` while there are none.
        hashtags (`list[str]`), counts (`list[int]`), vectors (`torch.Tensor` of shape `(n, d)`, float16): of the pool,
            changed or new.
        removed (`list[str]`): hashtags that changed and are not in the pool.
        uses ([`HashtagUses`]): of both.
        spellings (`dict[str, dict[str, int]]`): how often lists have `hashtags` in other spellings.
        blocks (`frozenset[str]`): all patterns that are blocked.
    """

    version: int
    retriever_fingerprint: str
    hashtags: list[str]
    counts: list[int]
    vectors: torch.Tensor
    removed: list[str]
    uses: HashtagUses
    spellings: dict[str, dict[str, int]]
    blocks: frozenset[str]


def read_changes(connection: sa.Connection, since: int) -> StoreChanges | None:
    """
    What changed after the version `since`; `None` for nothing.

    Args:
        connection (`sqlalchemy.Connection`): In a transaction that sees one state.
        since (`int`): -1 for all.
    """
    pool = connection.execute(sa.select(POOL)).one()
    if pool.version <= since:
        return None
    columns = (HASHTAGS.c.hashtag, HASHTAGS.c.count, HASHTAGS.c.vector)
    rows = connection.execute(sa.select(*columns).where(HASHTAGS.c.version > since).order_by(HASHTAGS.c.id)).all()
    there = [row for row in rows if row.vector is not None]
    joined = np.frombuffer(bytearray(b"".join(row.vector for row in there)), np.float16)
    return StoreChanges(
        pool.version,
        pool.retriever_fingerprint,
        [row.hashtag for row in there],
        [row.count for row in there],
        torch.from_numpy(joined).view(len(there), pool.dim if there else 0),
        [row.hashtag for row in rows if row.vector is None],
        read_uses(connection, HASHTAGS.c.version > since),
        _read_spellings(connection, LIST_SPELLINGS, HASHTAGS.c.version > since),
        frozenset(connection.execute(sa.select(BLOCKS.c.pattern)).scalars()),
    )


def read_uses(connection: sa.Connection, which: sa.ColumnElement[bool]) -> HashtagUses:
    """The uses of those hashtags for which a condition on the table of hashtags holds."""
    uses = HashtagUses()
    counters = (USES.c.scope, USES.c.uses, *(USES.c[name] for name in HALF_LIVES), USES.c.first_use, USES.c.last_use)
    query = sa.select(HASHTAGS.c.hashtag, *counters).join(HASHTAGS, USES.c.hashtag_id == HASHTAGS.c.id).where(which)
    uses.put(
        [
            (hashtag, scope, count, decayed, first, last)
            for hashtag, scope, count, *decayed, first, last in connection.execute(query)
        ]
    )
    for hashtag, counts in _read_spellings(connection, SPELLINGS, which).items():
        uses.put_spellings(hashtag, counts)
    return uses


def _read_spellings(
    connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]
) -> dict[str, dict[str, int]]:
    query = sa.select(HASHTAGS.c.hashtag, table.c.spelling, table.c.count).where(which)
    spelled: dict[str, dict[str, int]] = {}
    for hashtag, spelling, count in connection.execute(query.join(HASHTAGS, table.c.hashtag_id == HASHTAGS.c.id)):
        spelled.setdefault(hashtag, {})[spelling] = count
    return spelled


def some_at_a_time(values: Iterable) -> Iterator[Sequence]:
    """Lists that one statement can take."""
    values = list(values)
    for start in range(0, len(values), _AT_A_TIME):
        yield values[start : start + _AT_A_TIME]
