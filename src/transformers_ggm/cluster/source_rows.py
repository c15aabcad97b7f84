"""Rows of a source that actors read for themselves, so that what is in them need not pass through the driver."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ..data.sources import ShortsSource, open_shorts
from ..errors import DatasetError
from ..processing.media import DEFAULT_LIMITS
from ..utils.opening import is_url, local_name

Row = dict[str, Any]

# Rows from `start` up to `stop`, or all from there on where that is not known.
RANGE_SCHEMA = pa.schema({"split": pa.string(), "start": pa.int64(), "stop": pa.int64()})
# Rows that one actor reads one after the other, for some formats have to be read from their start up to these.
_RANGE_ROWS = 4096
# Of rows that hold clips, fewer go together.
_BLOCK_BYTES = 32 << 20


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


def ranges_of(split: str | None, spans: Iterable[tuple[int, int | None]]) -> list[pa.Table]:
    """
    Blocks for [`RowReader`].

    Args:
        split (`str`, *optional*): whose rows.
        spans (iterable of `tuple[int, int | None]`): ascending, the first row of each and the one after its last,
            `None` for all that follow.

    Returns:
        `list[pyarrow.Table]`: of [`RANGE_SCHEMA`], with some thousand rows to read each.
    """
    blocks: list[list[dict[str, Any]]] = []
    room = 0
    for start, stop in _cut(spans):
        count = _RANGE_ROWS if stop is None else stop - start
        if count > room:
            blocks.append([])
            room = _RANGE_ROWS
        blocks[-1].append({"split": split, "start": start, "stop": stop})
        room -= count
    return [pa.Table.from_pylist(block, RANGE_SCHEMA) for block in blocks]


def _cut(spans: Iterable[tuple[int, int | None]]) -> Iterator[tuple[int, int | None]]:
    for start, stop in spans:
        if stop is None:
            yield start, None
            continue
        for first in range(start, stop, _RANGE_ROWS):
            yield first, min(first + _RANGE_ROWS, stop)


class RowReader:
    """
    The first stage: gives the rows of ranges, packed, some at a time.

    Args:
        source ([`SharedSource`]): the source.
        fingerprints (`dict[str | None, str]`): of its splits, as the driver has them.
        rows (`Callable`): gives the rows of a split from a number on.
        block_rows (`int`): how many go together.

    Raises:
        `DatasetError`: This machine has another version of the source.
    """

    def __init__(
        self,
        source: SharedSource,
        fingerprints: Mapping[str | None, str],
        rows: Callable[[ShortsSource, int], Iterator[Row]],
        block_rows: int,
    ):
        self._splits, self._rows, self._block_rows = source.open(), rows, block_rows
        if {split: rows.fingerprint for split, rows in self._splits.items()} != fingerprints:
            raise DatasetError(
                f"{source.name} is not the same on all machines of the cluster, or has just been changed: give a place"
                " that all share."
            )

    def __call__(self, block: pa.Table) -> "Iterator[PackedRows]":
        numbers, rows, size = [], [], 0
        for number, row in self._wanted(block):
            numbers.append(number)
            rows.append(row)
            clip = row["video"]
            size += len(clip) if isinstance(clip, bytes) else 0
            if len(rows) == self._block_rows or size >= _BLOCK_BYTES:
                yield packed_rows(numbers, rows)
                numbers, rows, size = [], [], 0
        if rows:
            yield packed_rows(numbers, rows)

    def _wanted(self, block: pa.Table) -> Iterator[tuple[int, Row]]:
        spans = iter([(span["start"], span["stop"]) for span in block.to_pylist()])
        start, stop = next(spans)
        for number, row in enumerate(self._rows(self._splits[block["split"][0].as_py()], start), start):
            if stop is not None and number >= stop:
                start, stop = next(spans, (None, None))
                if start is None:
                    return
            if number >= start:
                yield number, row


# A block as Ray takes it: `row`, the numbers of rows in their source (int64), and `item`, as many `SentRow`.
PackedRows = dict[str, np.ndarray]


@dataclass(frozen=True)
class SentRow:
    """A row on its way to the next actor: Ray sends objects of a class as they are, but makes columns of dicts."""

    fields: Row


def packed_rows(numbers: Sequence[int], rows: Iterable[Row]) -> PackedRows:
    """
    Rows on their way from one actor to the next.

    Args:
        numbers (`Sequence[int]`): in their source.
        rows (iterable of `dict`): as many.
    """
    items = np.empty(len(numbers), object)
    items[:] = [SentRow(row) for row in rows]
    return {"row": np.asarray(numbers, np.int64), "item": items}


def unpacked_rows(block: pa.Table) -> Iterator[tuple[int, Row]]:
    """The numbers and the rows of a block that [`packed_rows`] made, as Ray hands it to the next actor."""
    return ((number, item.fields) for number, item in zip(block["row"].to_pylist(), block["item"].to_pylist()))
