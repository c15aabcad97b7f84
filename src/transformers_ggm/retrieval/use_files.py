"""The file of a pool's uses over time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import CheckpointError
from .hashtag_uses import EVERYWHERE, HALF_LIVES, HashtagUses

_TIME = pa.timestamp("us", tz="UTC")
SPELLINGS = pa.map_(pa.large_string(), pa.int64())
SCHEMA = pa.schema(
    [
        ("hashtag", pa.large_string()),
        # "" for all uses, else such as "language=en".
        ("scope", pa.large_string()),
        ("uses", pa.int64()),
        *((name, pa.float64()) for name in HALF_LIVES),
        ("first_use", _TIME),
        ("last_use", _TIME),
        # Of the rows of all uses.
        ("spellings", SPELLINGS),
    ]
)


def write_uses(file: Path, uses: HashtagUses) -> None:
    """Writes the uses as Parquet: a row for each hashtag in each scope."""
    entries = list(uses.entries())
    spellings = [list(uses.spellings(tag).items()) if scope == EVERYWHERE else None for tag, scope, *_ in entries]
    hashtags, scopes, counts, decayed, first, last = zip(*entries)
    columns = [hashtags, scopes, counts, *zip(*decayed), first, last, spellings]
    pq.write_table(pa.table([pa.array(list(c), kind.type) for c, kind in zip(columns, SCHEMA)], SCHEMA), file)


def read_uses(file: Path) -> HashtagUses:
    """
    Reads what [`write_uses`] wrote.

    Raises:
        CheckpointError: It is no such file.
    """
    try:
        table = pq.read_table(file, columns=SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged ({error}): save or download the pool again.") from error
    column = {name: table[name].to_pylist() for name in ("hashtag", "scope", "uses", *HALF_LIVES, "spellings")}
    times = (table[name].cast(pa.int64()).to_pylist() for name in ("first_use", "last_use"))
    uses = HashtagUses()
    decayed = zip(*(column[name] for name in HALF_LIVES))
    uses.put(list(zip(column["hashtag"], column["scope"], column["uses"], decayed, *times)))
    for hashtag, spellings in zip(column["hashtag"], column["spellings"]):
        if spellings is not None:
            uses.put_spellings(hashtag, dict(spellings))
    return uses
