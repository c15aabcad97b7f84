"""Rows of a source that actors read for themselves, so that what is in them need not pass through the driver."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ..data.sources import ShortsSource, open_shorts
from ..errors import DatasetError
from ..processing.media import DEFAULT_LIMITS
from ..utils.opening import is_url, local_name
from .sent_rows import PackedRows, packed_rows

Row = dict[str, Any]

# Rows from `start` up to `stop`, or all from there on where that is not known.
RANGE_SCHEMA = pa.schema({"split": pa.string(), "start": pa.int64(), "stop": pa.int64()})
# Rows are given on when they have so many bytes: of their clips, and about so many of their words.
_BLOCK_BYTES = 32 << 20
_OTHER_BYTES = 1024


@dataclass(frozen=True)
class SharedSource:
    """
    A source that all machines of a cluster can open.

    Attributes:
        name (`str`): path or URL, see [`open_shorts`].
        columns (`dict[str, str | None]`, *optional*), max_bytes (`int`): as of [`open_shorts`].

    Example:

    ```python
    >>> from transformers_ggm.cluster.source_rows import SharedSource

    >>> SharedSource.of("s3://bucket/clips.parquet", {"video": "clip"}).name
    's3://bucket/clips.parquet'

    ```
    """

    name: str
    columns: Mapping[str, str | None] = field(default_factory=dict)
    max_bytes: int = DEFAULT_LIMITS.max_bytes

    @classmethod
    def of(
        cls,
        source: str | os.PathLike,
        columns: Mapping[str, str | None] | None = None,
        max_bytes: int = DEFAULT_LIMITS.max_bytes,
    ) -> "SharedSource":
        """
        A source by its path or URL; of a relative path, the whole one, since actors work in other folders.

        Raises:
            `DatasetError`: It is neither.
        """
        if not isinstance(source, (str, os.PathLike)):
            raise DatasetError(
                f"`source` is of the type {type(source).__name__}: a cluster reads a path or URL that all of its"
                " machines can open."
            )
        name = local_name(os.fspath(source))
        return cls(name if is_url(name) else os.path.abspath(name), dict(columns or {}), max_bytes)

    def open(self) -> dict[str | None, ShortsSource]:
        """Its splits, see [`open_shorts`]."""
        return open_shorts(self.name, self.columns, self.max_bytes)


def ranges_of(split: str | None, spans: Iterable[tuple[int, int | None]], num_rows: int) -> list[pa.Table]:
    """
    Blocks for [`RowReader`].

    Args:
        split (`str`, *optional*): whose rows.
        spans (iterable of `tuple[int, int | None]`): ascending, the first row of each and the one after its last,
            `None` for all that follow.
        num_rows (`int`): how many rows go together from actor to actor, at most.

    Returns:
        `list[pyarrow.Table]`: of [`RANGE_SCHEMA`], one range each. Ray joins what comes of one block, but not what
        comes of several.
    """
    cut = [
        (first, None if stop is None else min(first + num_rows, stop))
        for start, stop in spans
        for first in ([start] if stop is None else range(start, stop, num_rows))
    ]
    return [
        pa.Table.from_pylist([{"split": split, "start": start, "stop": stop}], RANGE_SCHEMA) for start, stop in cut
    ]


class RowReader:
    """
    The first stage, of one actor: gives the rows of ranges. It goes through its source once, since some formats have
    to be read from their start up to a row.

    Args:
        source ([`SharedSource`]): the source.
        fingerprints (`dict[str | None, str]`): of its splits, as the driver has them.
        rows (`Callable`): gives the rows of a split from a number on.

    Raises:
        `DatasetError`: This machine has another version of the source.
    """

    def __init__(
        self,
        source: SharedSource,
        fingerprints: Mapping[str | None, str],
        rows: Callable[[ShortsSource, int], Iterator[Row]],
    ):
        self._name, self._splits, self._rows = source.name, source.open(), rows
        if {split: rows.fingerprint for split, rows in self._splits.items()} != fingerprints:
            raise DatasetError(
                f"{source.name} is not the same on all machines of the cluster, or has just been changed: give a place"
                " that all share."
            )
        # The rows that come next, and whose they are.
        self._coming: Iterator[Row] | None = None
        self._split: str | None = None
        self._next = 0

    def __call__(self, block: pa.Table) -> Iterator[PackedRows]:
        [span] = block.to_pylist()
        self._seek(span["split"], span["start"])
        first, rows, size = self._next, [], 0
        while span["stop"] is None or self._next < span["stop"]:
            row = self._read()
            if row is None and span["stop"] is not None:
                raise DatasetError(f"{self._name} has no row {self._next - 1} any more: start again when it is whole.")
            if row is None:
                break
            rows.append(row)
            size += len(row["video"]) if isinstance(row["video"], bytes) else _OTHER_BYTES
            if size >= _BLOCK_BYTES:
                yield packed_rows(range(first, self._next), rows)
                first, rows, size = self._next, [], 0
        if rows:
            yield packed_rows(range(first, first + len(rows)), rows)

    def _seek(self, split: str | None, start: int) -> None:
        if self._coming is None or split != self._split or start < self._next:
            self._split, self._next = split, start
            self._coming = self._rows(self._splits[split], start)
        while self._next < start:
            self._read()

    def _read(self) -> Row | None:
        try:
            row = next(self._coming, None)
        except Exception:
            self._coming = None  # it would pass for ended
            raise
        self._next += 1
        return row
