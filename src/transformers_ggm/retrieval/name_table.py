"""A long list of names in which one is found by a number: a few bytes a name, where a dictionary needs over a hundred."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

_NAMES_AT_A_TIME = 2**16


class NameTable:
    """
    Names in Arrow's form, with a sorted list of their hashes for finding one. Not changed once it is made.

    Args:
        names (`pa.LargeStringArray`): The names; one may stand there several times.

    Example:

    ```python
    >>> import pyarrow as pa
    >>> from transformers_ggm.retrieval.name_table import NameTable

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
