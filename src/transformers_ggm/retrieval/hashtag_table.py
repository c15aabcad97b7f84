"""
What a hashtag pool takes for a list of hashtags and their counts: checked, normalised and merged, also by the million.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HashtagError, PoolError
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag

_NAMED_AT_MOST = 10

# Valid and normalised beyond doubt: most hashtags are, and the others are checked one by one.
_PLAIN = r"\A[a-z0-9_]*[a-z][a-z0-9_]*\z"


def as_iterable(hashtags: Iterable[str]) -> Iterable[str]:
    """
    Raises:
        HashtagError: `hashtags` is one string.
    """
    # A string is an iterable of letters, each of which may be a valid hashtag: never what was meant.
    if isinstance(hashtags, str):
        raise HashtagError(f"hashtags is one string, {hashtags!r}: give a list, [{hashtags!r}].")
    return hashtags


def check_any(hashtags: Sequence[str]) -> None:
    """
    Raises:
        HashtagError: There are none.
    """
    if not len(hashtags):
        raise HashtagError("hashtags is empty: a hashtag pool needs at least one hashtag.")


def pool_key(hashtag: object) -> str | None:
    """The form in which a pool keeps a hashtag, `None` for what is no hashtag and so in no pool."""
    return normalize_hashtag(hashtag) if is_valid_hashtag(hashtag) else None


def normalized_hashtags(hashtags: Iterable[str] | pa.Array) -> pa.LargeStringArray:
    """
    Hashtags in the form in which a pool keeps them.

    Args:
        hashtags (`Iterable[str]` or `pa.Array`): With or without `#`.

    Raises:
        HashtagError: Some are no hashtags; the message names them.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.hashtag_table import normalized_hashtags
    >>> normalized_hashtags(["snow", "#Café"]).to_pylist()
    ['snow', 'café']

    ```
    """
    if isinstance(hashtags, pa.Array):
        is_text = pa.types.is_string(hashtags.type) or pa.types.is_large_string(hashtags.type)
        names = hashtags.cast(pa.large_string()) if is_text else _as_array(hashtags.to_pylist())
    else:
        names = _as_array(list(as_iterable(hashtags)))
    plain = pc.fill_null(pc.match_substring_regex(names, _PLAIN), False)
    if pc.all(plain).as_py() is not False:
        return names
    special = pc.invert(plain)
    return pc.replace_with_mask(names, special, pa.array(_keys(names.filter(special).to_pylist()), pa.large_string()))


def _as_array(hashtags: list[str]) -> pa.LargeStringArray:
    try:
        if all(isinstance(hashtag, str) for hashtag in hashtags):
            return pa.array(hashtags, pa.large_string())
    except UnicodeEncodeError:  # halves of a character
        pass
    return pa.array(_keys(hashtags), pa.large_string())


def _keys(hashtags: list[str]) -> list[str]:
    keys = [pool_key(hashtag) for hashtag in hashtags]
    bad = [hashtag for hashtag, key in zip(hashtags, keys) if key is None]
    if bad:
        raise HashtagError(
            f"hashtags holds some that are no hashtags (letters, digits and underscores, at least one letter): "
            f"{named(bad)}. Leave them out."
        )
    return keys


def counted_hashtags(
    hashtags: Iterable[str] | Mapping[str, int], allow_empty: bool = False
) -> tuple[pa.LargeStringArray, np.ndarray]:
    """
    Normalised hashtags, each one once, in order of first mention, and their counts (int64): the sums over those that
    are the same once normalised. Without counts, each mention counts 1.

    Raises:
        HashtagError: Some are no hashtags, or there are none and `allow_empty` is not set.
        PoolError: A count is not a whole number of 0 or more.
    """
    counts = list(hashtags.values()) if isinstance(hashtags, Mapping) else None
    names = normalized_hashtags(hashtags)
    if not allow_empty:
        check_any(names)
    merged = names.dictionary_encode()
    sums = np.zeros(len(merged.dictionary), np.int64)
    np.add.at(sums, merged.indices.to_numpy(), checked_counts(counts, len(names)))
    return merged.dictionary, sums


def first_spellings(written: pa.Array, names: pa.LargeStringArray) -> np.ndarray | None:
    """
    Of a saved pool, which rows to keep: all but those of hashtags that stand there in another spelling before them,
    since an earlier version kept the two apart.

    Args:
        written (`pa.Array`): the hashtags as they were saved.
        names (`pa.LargeStringArray`): the same, normalised.

    Returns:
        `np.ndarray` of bool, one a row, or `None` for all rows.
    """
    if pc.count_distinct(names).as_py() == len(names):
        return None
    merged = names.dictionary_encode()
    rows = merged.indices.to_numpy()
    first = np.unique(rows, return_index=True)[1]
    is_first = np.zeros(len(names), bool)
    is_first[first] = True
    for row in np.flatnonzero(~is_first).tolist():
        # What earlier versions took for one too was never saved twice: such a file is damaged.
        spellings = {written[int(number)].as_py().lower() for number in (first[rows[row]], row)}
        is_first[row] = len(spellings) == 1
    return is_first


def checked_counts(counts: Sequence[int] | np.ndarray | None, size: int) -> np.ndarray:
    """
    `size` counts as int64; `None` for 1 each.

    Raises:
        PoolError: There are more or fewer, some are no whole numbers of 0 or more, or all together are beyond int64.
    """
    if counts is None:
        return np.ones(size, np.int64)
    if len(counts) != size:
        raise PoolError(f"counts has {len(counts)} entries for {size} hashtags: give one for each.")
    if isinstance(counts, np.ndarray) and counts.dtype == np.int64:
        bad = counts[counts < 0].tolist()
    else:
        counts = list(counts)
        bad = [count for count in counts if not isinstance(count, Integral) or isinstance(count, bool) or count < 0]
    if bad:
        raise PoolError(f"counts holds {named(bad)}: give whole numbers of 0 or more.")
    if sum(map(float, counts) if isinstance(counts, list) else [counts.sum(dtype=np.float64)]) >= 2.0**63:
        raise PoolError("counts are too large together: their sum must be below 2^63.")
    return np.array(counts, np.int64)


def named(items: Sequence[object]) -> str:
    """The first few of `items`, and how many more there are."""
    more = len(items) - _NAMED_AT_MOST
    return ", ".join(map(repr, items[:_NAMED_AT_MOST])) + (f" and {more} more" if more > 0 else "")


# As many names are kept in a dictionary, which costs over a hundred bytes a name but can be added to.
_IN_DICTIONARY = 250_000


class HashtagNames:
    """
    Normalised hashtags, one a row. A row keeps its number when others are removed. Names are never changed: adding and
    removing give a new object, which shares most of the old one.

    Args:
        names (`pa.LargeStringArray`): The names of the rows.

    Raises:
        HashtagError: A name stands there twice.

    Attributes:
        removed (`np.ndarray` of bool, *optional*): For each row whether its hashtag was removed; `None` when none was.

    Example:

    ```python
    >>> import pyarrow as pa
    >>> from transformers_ggm.retrieval.hashtag_table import HashtagNames

    >>> names = HashtagNames(pa.array(["snow", "ski"], pa.large_string())).without([0]).followed_by(["rain"])
    >>> list(names), names.find(["rain", "snow"]), names[2]
    (['ski', 'rain'], [2, None], 'rain')

    ```
    """

    def __init__(self, names: pa.LargeStringArray):
        self.removed: np.ndarray | None = None
        self._num_removed = 0
        if len(names) > _IN_DICTIONARY:
            self._table, recent = NameTable(names), []
            twice = self._table.repeated()
        else:
            self._table, recent = NameTable(names[:0]), names.to_pylist()
            twice = [] if len(set(recent)) == len(recent) else _repeated(recent)
        if twice:
            raise HashtagError(f"hashtags holds some more than once: {named(twice)}. Give each one once.")
        self._recent = recent
        self._rows = dict(zip(recent, range(len(self._table), len(names))))

    def _is_removed(self, row: int) -> bool:
        return self.removed is not None and bool(self.removed[row])

    @property
    def num_rows(self) -> int:
        """The number of rows, those of removed hashtags included."""
        return len(self._table) + len(self._recent)

    @property
    def kept(self) -> np.ndarray | None:
        """For each row whether its hashtag is there; `None` when all are."""
        return None if self.removed is None else ~self.removed

    def __len__(self) -> int:
        return self.num_rows - self._num_removed

    def __iter__(self) -> Iterator[str]:
        rows = (name for part in (self._table, self._recent) for name in part)
        return rows if self.removed is None else (name for name, gone in zip(rows, self.removed) if not gone)

    def __getitem__(self, row: int) -> str:
        return self._table[row] if row < len(self._table) else self._recent[row - len(self._table)]

    def find(self, names: Sequence[str]) -> list[int | None]:
        """The row of each name, `None` for what is not there."""
        found = [self._rows.get(name) for name in names]
        if not len(self._table):
            return found
        other = [number for number, row in enumerate(found) if row is None]
        for number, rows in zip(other, self._table.find([names[number] for number in other])):
            found[number] = next((row for row in rows if not self._is_removed(row)), None)
        return found

    def arrow(self) -> pa.LargeStringArray:
        """The hashtags that are there, in the order of their rows."""
        return self._all() if self.removed is None else self._all().filter(pa.array(self.kept))

    def _all(self) -> pa.LargeStringArray:
        return pa.concat_arrays([self._table.names, pa.array(self._recent, pa.large_string())])

    def followed_by(self, names: Sequence[str]) -> "HashtagNames":
        """With more rows at the end; their names must not be there."""
        grown = self._like()
        if self.removed is not None:
            grown.removed = np.concatenate([self.removed, np.zeros(len(names), bool)])
        grown._recent = [*self._recent, *names]
        grown._rows = self._rows | dict(zip(names, range(self.num_rows, self.num_rows + len(names))))
        # So that moving all to a new table, which takes seconds, comes less and less often.
        if len(grown._recent) > max(_IN_DICTIONARY, len(self._table) // 8):
            grown._table = NameTable(grown._all())
            grown._recent, grown._rows = [], {}
        return grown

    def without(self, rows: Sequence[int]) -> "HashtagNames":
        """With the hashtags of these rows removed."""
        fewer = self._like()
        fewer.removed = np.zeros(self.num_rows, bool) if self.removed is None else self.removed.copy()
        fewer.removed[rows] = True
        fewer._num_removed = int(fewer.removed.sum())
        gone = set(rows)
        fewer._recent = self._recent
        fewer._rows = {name: row for name, row in self._rows.items() if row not in gone}
        return fewer

    def _like(self) -> "HashtagNames":
        same = object.__new__(HashtagNames)
        same.removed, same._num_removed, same._table = self.removed, self._num_removed, self._table
        return same


def _repeated(names: list[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(name for name in names if name in seen or seen.add(name)))


_NAMES_AT_A_TIME = 2**16


class NameTable:
    """
    Names in Arrow's form, with a sorted list of their hashes for finding one. Not changed once it is made.

    Args:
        names (`pa.LargeStringArray`): The names; one may stand there several times.

    Example:

    ```python
    >>> import pyarrow as pa
    >>> from transformers_ggm.retrieval.hashtag_table import NameTable

    >>> table = NameTable(pa.array(["snow", "ski", "snow"], pa.large_string()))
    >>> table.find(["ski", "rain", "snow"])
    [[1], [], [0, 2]]

    ```
    """

    def __init__(self, names: pa.LargeStringArray):
        self.names = names
        hashes = _hashes(self, len(names))
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._rows = order.astype(np.uint32 if len(names) < 2**32 else np.uint64)

    def __reduce__(self):
        # Python draws other hashes in every process.
        return type(self), (self.names,)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _NAMES_AT_A_TIME):
            yield from self.names[start : start + _NAMES_AT_A_TIME].to_pylist()

    def __getitem__(self, row: int) -> str:
        return self.names[row].as_py()

    def find(self, names: Sequence[str]) -> list[list[int]]:
        """For each name the rows where it stands, in ascending order."""
        hashes = _hashes(names, len(names))
        firsts, lasts = (np.searchsorted(self._hashes, hashes, side).tolist() for side in ("left", "right"))
        return [
            [int(row) for row in self._rows[first:last] if self[int(row)] == name]
            for name, first, last in zip(names, firsts, lasts)
        ]

    def repeated(self) -> list[str]:
        """The names that stand there more than once, each one once."""
        alike = self._rows[1:][self._hashes[1:] == self._hashes[:-1]]
        candidates = dict.fromkeys(self[int(row)] for row in np.sort(alike))
        return [name for name, rows in zip(candidates, self.find(list(candidates))) if len(rows) > 1]


def _hashes(names: Iterable[str], size: int) -> np.ndarray:
    return np.fromiter(map(hash, names), np.int64, size)


class NameSlices:
    """Names of which only the slices that are asked for become Python strings."""

    def __init__(self, names: pa.LargeStringArray):
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, rows: slice) -> list[str]:
        return self._names[rows].to_pylist()
