"""The names in the rows of a hashtag pool: found by row and by name, also when there are millions."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from ..errors import HashtagError
from .hashtag_lists import named
from .name_table import NameTable

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
    >>> from transformers_ggm.retrieval.hashtag_names import HashtagNames

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
